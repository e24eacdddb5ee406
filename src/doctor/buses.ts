import { withBuses } from "../config/expanders.ts";
import { chooseChip } from "../device/linux/gpio-chips.ts";
import { GROUPS, wiresOf } from "./access.ts";
import { type Check, type Diagnosis, failed, ok, warning } from "./check.ts";
import { mendByFirmware } from "./firmware.ts";
import type { Machine } from "./machine.ts";
import type { Patient } from "./patient.ts";
import { groupsOf, inShort, may, nodeUser } from "./user.ts";

/** Device files of the I2C buses that the configuration uses. */
export function i2cPaths({ config, board }: Pick<Patient, "config" | "board">): readonly string[] {
  const { sensors, actuators, expanders, buses } = config;
  const users = [
    ...sensors.filter(({ driver }) => driver.bus === "i2c"),
    ...actuators.filter(({ bus }) => bus !== undefined),
    ...Object.values(withBuses({ expanders, buses })),
  ];
  return [...new Set(users.map(({ i2cPath }) => i2cPath ?? board.defaultI2c))];
}

function devicePaths({ config }: Patient, wire: string): readonly string[] {
  const users = config.sensors.filter(({ driver }) => driver.bus === wire);
  return [...new Set(users.flatMap(({ devicePath }) => devicePath ?? []))];
}

interface Wires {
  readonly id: string;
  readonly title: string;
  readonly looksAt: string;
  /** As {@link GROUPS} calls it. */
  readonly wire: string;
  /** For udev: who is given the device files. */
  readonly subsystem: string;
  paths(patient: Patient): readonly string[];
  /** How to get a device file that is not there. */
  mend(machine: Machine): Promise<string>;
}

/** Device files that are there, and that the node's user may read and write. */
function deviceFiles({ wire, subsystem, paths, mend, ...check }: Wires): Check {
  return {
    ...check,
    area: "board",
    needs: "board",
    async run(patient) {
      const { machine } = patient;
      const user = await nodeUser(patient);
      const group = (await groupsOf(machine)).find(({ name }) => name === GROUPS[wire]);
      return Promise.all(
        paths(patient).map(async (path): Promise<Diagnosis> => {
          const facts = await machine.facts(path);
          if (!facts) return failed(path, "is not there", await mend(machine));
          // That the user is not in the group is said where groups are.
          const asMember = group ? { ...user, groups: [...user.groups, group.gid] } : user;
          if (may(asMember, facts, "rw")) return ok(path, inShort(facts));
          return failed(
            path,
            `${inShort(facts)}: ${user.name} may not use it`,
            `in /etc/udev/rules.d/60-fieldpost.rules: SUBSYSTEM=="${subsystem}", GROUP="${GROUPS[wire]}", MODE="0660"`,
          );
        }),
      );
    },
  };
}

export const i2cBuses = deviceFiles({
  id: "i2c",
  title: "I2C",
  looksAt:
    "the I2C buses that are used are there (`dtparam=i2c_arm=on`, the module i2c-dev), and the node's user may use them",
  wire: "i2c",
  subsystem: "i2c-dev",
  paths: i2cPaths,
  async mend(machine) {
    // The adapter is there, and nothing that gives it a device file.
    if (
      (await machine.names("/sys/bus/i2c/devices")).some((name) => /^i2c-\d+$/.test(name)) &&
      (await machine.facts("/sys/class/i2c-dev")) === undefined
    )
      return "sudo modprobe i2c-dev, and for every boot: echo i2c-dev | sudo tee /etc/modules-load.d/i2c-dev.conf";
    return mendByFirmware(machine, "dtparam=i2c_arm=on");
  },
});

export const spiDevices = deviceFiles({
  id: "spi",
  title: "SPI",
  looksAt: "the SPI devices that are used are there (`dtparam=spi=on`), and the node's user may use them",
  wire: "spi",
  subsystem: "spidev",
  paths: (patient) => devicePaths(patient, "spi"),
  mend: (machine) => mendByFirmware(machine, "dtparam=spi=on"),
});

export const serialPorts = deviceFiles({
  id: "serial",
  title: "serial port",
  looksAt:
    "the serial ports that are used are there (`enable_uart=1`, an adapter that is plugged in), and the node's user may use them",
  wire: "serial",
  subsystem: "tty",
  paths: (patient) => devicePaths(patient, "serial"),
  mend: (machine) => mendByFirmware(machine, "enable_uart=1"),
});

/** Names of the ports of a Raspberry Pi's header, as the kernel's command line may have them. */
const HEADER_PORTS = ["serial0", "serial1", "ttyAMA0", "ttyAMA10", "ttyS0"];

export const serialConsole: Check = {
  id: "serial-console",
  area: "board",
  title: "serial console",
  looksAt: "the kernel's console and its login prompt are not on a serial port that a sensor uses",
  needs: "board",
  async run(patient) {
    const { machine } = patient;
    const paths = devicePaths(patient, "serial");
    if (paths.length === 0) return [];
    const consoles = [...((await machine.text("/proc/cmdline")) ?? "").matchAll(/\bconsole=(\w+)/g)].map(
      ([, name = ""]) => name,
    );
    const names = (await Promise.all(paths.map(async (path) => [path, (await machine.real(path)) ?? path])))
      .flat()
      .map((path) => path.replace("/dev/", ""));
    // On the command line a port may go by another of its names.
    const isOnHeader = names.some((name) => HEADER_PORTS.includes(name));
    const taken = consoles.find(
      (name) => names.includes(name) || (isOnHeader && HEADER_PORTS.includes(name)),
    );
    if (taken === undefined) return [ok("serial console", `not on ${paths.join(", ")}`)];
    return [
      failed(
        "serial console",
        `the kernel's console is on ${taken}: it speaks in between`,
        "raspi-config, Interface Options, Serial Port: no login shell, hardware on; then reboot",
      ),
    ];
  },
};

export const oneWireBus: Check = {
  id: "one-wire",
  area: "board",
  title: "1-Wire",
  looksAt: "the kernel has a 1-Wire bus (`dtoverlay=w1-gpio`) where a sensor needs one",
  needs: "board",
  async run({ machine, config }) {
    if (!config.sensors.some(({ driver }) => driver.bus === "one_wire")) return [];
    const masters = (await machine.names("/sys/bus/w1/devices")).filter((name) =>
      name.startsWith("w1_bus_master"),
    );
    if (masters.length > 0) return [ok("1-Wire", masters.join(", "))];
    return [
      failed("1-Wire", "the kernel has no 1-Wire bus", await mendByFirmware(machine, "dtoverlay=w1-gpio")),
    ];
  },
};

export const gpioChip: Check = {
  id: "gpio-chip",
  area: "board",
  title: "GPIO chip",
  looksAt:
    "the GPIO chip of `gpio.chip` is there and can be opened; with `auto`, which one is meant is clear",
  async run({ board, config }) {
    if (!wiresOf(config).has("gpio")) return [];
    const { gpio } = await board.inventory();
    const what = "GPIO chip";
    const unreadable = gpio.flatMap(({ name, error }) => (error === undefined ? [] : [warning(name, error)]));
    const readable = gpio.filter(({ error }) => error === undefined);
    if (config.gpio.backend === "sysfs") return unreadable;
    if (readable.length === 0 && unreadable.length > 0) return unreadable;
    if (readable.length === 0)
      return [
        failed(
          what,
          "this machine has none",
          "is this the board that the configuration is for? uname -a, fieldpost scan",
        ),
      ];
    try {
      const { name, label, lineCount } = chooseChip(readable, config.gpio.chip);
      return [...unreadable, ok(what, `${name}, ${label}, ${lineCount} lines`)];
    } catch (error) {
      return [...unreadable, failed(what, (error as Error).message)];
    }
  },
};
