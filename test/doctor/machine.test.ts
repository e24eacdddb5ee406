import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Host } from "../../src/device/host.ts";
import { I2cError } from "../../src/device/i2c.ts";
import { nodeFiles } from "../../src/outbox/files/node.ts";
import { type Breakable, diagnosed, SERVICE_CONFIG, unwell, YAML } from "./patient.ts";

const replacing = (from: string, to: string) => YAML.replace(from, to);
const host =
  (quantities: Partial<Host>) =>
  ({ patient }: Breakable) => {
    const { host } = patient.board;
    const { model, revision, serial, hostname, machineId } = host;
    const bound = {
      uptimeMs: () => host.uptimeMs(),
      cpuTemperature: () => host.cpuTemperature(),
      load1: () => host.load1(),
      memory: () => host.memory(),
      disk: (path: string) => host.disk(path),
      signalDbm: () => host.signalDbm(),
      throttled: () => host.throttled(),
    };
    patient.board = {
      ...patient.board,
      host: { model, revision, serial, hostname, machineId, ...bound, ...quantities },
    };
  };
const text =
  (path: string, content: string) =>
  ({ files }: Breakable) => {
    files[path] = { ...files[path], text: content };
  };
const mode =
  (path: string, bits: number) =>
  ({ files }: Breakable) => {
    files[path] = { ...files[path], mode: bits };
  };
const without =
  (...paths: string[]) =>
  ({ files }: Breakable) => {
    for (const path of paths) delete files[path];
  };
const space =
  (change: object) =>
  ({ machine }: Breakable) => {
    const { space } = machine;
    machine.space = async (path) => ({ ...(await space(path))!, ...change });
  };
const mounted = (line: string) =>
  text("/proc/self/mountinfo", `${line}\n2 1 0:5 / /run rw,nosuid - tmpfs tmpfs rw`);

type Row = [check: string, what: string, breakIt: (it: Breakable) => void, says: RegExp, yaml?: string];

const ROWS: readonly Row[] = [
  [
    "config",
    "a password that is sent in clear",
    () => {},
    /unencrypted/,
    replacing("mqtt://127.0.0.1", "mqtt://192.0.2.1"),
  ],
  ["config-file", "a file that everybody may change", mode(SERVICE_CONFIG, 0o666), /chmod 640/],
  [
    "config-file",
    "a file that the service may not read",
    mode(SERVICE_CONFIG, 0o600),
    /may not read it.*chgrp fieldpost/,
  ],
  [
    "secrets",
    "a credential that others may read",
    mode("/etc/fieldpost/credentials/mqtt_password", 0o644),
    /chmod 600/,
  ],
  ["secrets", "a credential that is empty", text("/etc/fieldpost/credentials/mqtt_password", ""), /is empty/],
  [
    "identity",
    "a host name that every new machine has",
    text("/etc/hostname", "raspberrypi"),
    /set-hostname/,
    replacing("id: n1", `id: "\${hostname}"`),
  ],
  [
    "node-version",
    "a Node.js that is too old",
    ({ machine }) => {
      machine.nodeVersion = "18.20.4";
    },
    /too old/,
  ],
  [
    "user",
    "a node that runs as root",
    text("/usr/lib/systemd/system/fieldpost.service", "User=root\nExecStopPost=fieldpost safe"),
    /as root/,
  ],
  [
    "groups",
    "a user outside a group",
    text("/etc/group", "i2c:x:994:\ngpio:x:993:fieldpost\nspi:x:995:fieldpost\ndialout:x:20:fieldpost"),
    /usermod -aG i2c fieldpost/,
  ],
  [
    "native-part",
    "a native part that does not load",
    ({ machine }) => {
      machine.loadAddon = () => {
        throw new Error("the native part is missing");
      };
    },
    /missing.*sysfs/,
  ],
  [
    "memory",
    "too little memory",
    host({ memory: async () => ({ totalBytes: 5e8, availableBytes: 5e7 }) }),
    /48 MiB/,
  ],
  [
    "swap",
    "swap on the card",
    text("/proc/swaps", "Filename\n/var/swap file 1 0 -2"),
    /\/var\/swap.*swapoff/,
  ],
  [
    "memory-limit",
    "a kernel without memory limits",
    text("/sys/fs/cgroup/cgroup.controllers", "cpu pids"),
    /cgroup_enable=memory/,
  ],
  ["power", "under-voltage now", host({ throttled: async () => 0x50005 }), /under voltage.*5\.1 V/],
  ["power", "under-voltage since boot", host({ throttled: async () => 0x10000 }), /since boot.*5\.1 V/],
  [
    "temperature",
    "a processor that is too hot",
    host({ cpuTemperature: async () => 84.2 }),
    /84\.2 °C.*heat sink/,
  ],
  [
    "watchdog",
    "no watchdog",
    without(
      "/sys/class/watchdog/watchdog0/state",
      "/sys/class/watchdog/watchdog0/identity",
      "/sys/class/watchdog/watchdog0/timeout",
    ),
    /dtparam=watchdog=on/,
  ],
  [
    "watchdog",
    "a watchdog that nobody feeds",
    text("/sys/class/watchdog/watchdog0/state", "inactive"),
    /RuntimeWatchdogSec/,
  ],
  ["wifi", "weak Wi-Fi", host({ signalDbm: async () => -82 }), /-82 dBm/],
  [
    "clock",
    "a clock that nobody has set",
    ({ patient }) => {
      patient.clock = { ...patient.clock, synced: () => false };
    },
    /not set since/,
  ],
  ["time-service", "nobody who keeps the clock", without("/proc/100/comm"), /set-ntp true/],
  [
    "battery-clock",
    "a battery clock without a time",
    text("/sys/class/rtc/rtc0/since_epoch", "86400"),
    /hwclock -w/,
  ],
  [
    "time-zone",
    "rules by the hour in no zone",
    () => {},
    /zone is UTC.*time_zone/,
    replacing("location: { time_zone: Europe/Berlin }\n", ""),
  ],
  [
    "outbox-folder",
    "a folder that is not the service's",
    ({ files }) => {
      files["/var/lib/fieldpost/outbox"] = { mode: 0o755 };
    },
    /may not write.*chown/,
  ],
  ["disk-space", "a disk that is too small", space({ freeBytes: 1e8 }), /95\.4 MiB free.*max_size/],
  ["inodes", "a file system full of files", space({ freeFiles: 3 }), /3 of 1000000 free/],
  [
    "file-system",
    "an outbox in memory",
    mounted("1 0 179:2 / / rw,noatime - overlay overlay rw"),
    /in memory/,
  ],
  [
    "file-system",
    "an outbox on FAT",
    mounted("1 0 179:2 / / rw,relatime - vfat /dev/mmcblk0p1 rw"),
    /no journal/,
  ],
  [
    "mount-options",
    "a card that is read-only",
    mounted("1 0 179:2 / / ro,noatime - ext4 /dev/mmcblk0p2 ro"),
    /read-only/,
  ],
  [
    "mount-options",
    "a card that is written for each reading",
    mounted("1 0 179:2 / / rw - ext4 /dev/mmcblk0p2 rw"),
    /noatime/,
  ],
  [
    "tail",
    "a tail that is on the card",
    text("/proc/self/mountinfo", "1 0 179:2 / / rw,noatime - ext4 /dev/mmcblk0p2 rw"),
    /not in memory/,
  ],
  [
    "outbox",
    "something in the outbox that was set aside",
    text("/var/lib/fieldpost/outbox/00000001.seg.damaged", ""),
    /00000001\.seg\.damaged/,
  ],
  [
    "outbox-owner",
    "a process that has the outbox and answers to nobody",
    ({ machine }) =>
      writeFileSync(
        join(machine.root, "/var/lib/fieldpost/outbox/lock"),
        `\nclaim ab ${nodeFiles().processes.self}\n`,
      ),
    /process \d+ has it, and answers to nobody/,
  ],
  ["card-wear", "an eMMC at its end", text("/sys/block/mmcblk0/device/life_time", "0x0b 0x02"), /at its end/],
  [
    "card-errors",
    "errors that the file system has noted",
    text("/sys/fs/ext4/mmcblk0p2/errors_count", "3"),
    /3 noted/,
  ],
  [
    "i2c",
    "an I2C bus that is not there",
    without("/dev/i2c-1"),
    /config\.txt has dtparam=i2c_arm=on: reboot/,
  ],
  [
    "i2c",
    "an I2C bus that is root's",
    ({ files }) => {
      files["/dev/i2c-1"] = { mode: 0o600 };
    },
    /60-fieldpost\.rules/,
  ],
  ["spi", "an SPI device that is not there", without("/dev/spidev0.0"), /put dtparam=spi=on into \/boot/],
  ["serial", "a serial port that is not there", without("/dev/serial0"), /enable_uart=1/],
  [
    "serial-console",
    "a console on the sensor's port",
    text("/proc/cmdline", "console=serial0,115200 console=tty1"),
    /raspi-config/,
  ],
  ["one-wire", "no 1-Wire bus", without("/sys/bus/w1/devices/w1_bus_master1"), /dtoverlay=w1-gpio/],
  [
    "gpio-chip",
    "a GPIO chip that is another",
    () => {},
    /no GPIO chip "gpiochip7"/,
    `gpio: { chip: gpiochip7 }\n${YAML}`,
  ],
  [
    "lines",
    "an output's line that an overlay has",
    ({ board }) => board.gpio.occupy(22, "spi1"),
    /"spi1".*another pin/,
  ],
  [
    "lines",
    "an input's line that somebody has",
    ({ board }) => board.gpio.occupy(17, "w1-gpio"),
    /header pin 11 is taken by "w1-gpio"/,
  ],
  ["lines", "a line that the board has not", () => {}, /lines 0 to 53/, replacing("GPIO22", "GPIO77")],
  [
    "sensors",
    "a chip that does not answer",
    ({ board }) => board.simBus("/dev/i2c-1").detach(0x76),
    /fieldpost scan/,
  ],
  [
    "sensors",
    "a chip that the kernel has not",
    ({ board }) => board.chips.fail("rack", "absent"),
    /dtoverlay=i2c-sensor,lm75/,
  ],
  ["sensors", "a thermometer that is gone", ({ board }) => board.oneWire.detach("28-00000a1b2c3d"), /wiring/],
  [
    "sensors",
    "a serial chip that says nothing",
    ({ board }) => board.simSerial.fail("/dev/serial0", "silent"),
    /TX/,
  ],
  [
    "i2c-outputs",
    "an expander that does not answer",
    ({ board }) => board.simBus("/dev/i2c-1").detach(0x20),
    /nobody answers at \/dev\/i2c-1 0x20/,
  ],
  [
    "pwm",
    "a PWM channel that the kernel has not",
    () => {},
    /channels 0 to 1, no 4/,
    replacing("channel: 0 }\n  - { id: valve", "channel: 4 }\n  - { id: valve"),
  ],
  [
    "service",
    "a service that is not enabled",
    without("/etc/systemd/system/multi-user.target.wants/fieldpost.service"),
    /systemctl enable/,
  ],
  [
    "safe-outputs",
    "a service that leaves its outputs on",
    text("/usr/lib/systemd/system/fieldpost.service", "User=fieldpost"),
    /ExecStopPost/,
  ],
  [
    "journal",
    "a log without a limit",
    without("/etc/systemd/journald.conf.d/fieldpost.conf"),
    /SystemMaxUse/,
  ],
  [
    "node",
    "a second node with the same configuration",
    ({ files }) => {
      for (const pid of [7, 8]) {
        files[`/proc/${pid}/comm`] = { text: "node" };
        files[`/proc/${pid}/cmdline`] = {
          text: "node\0/usr/lib/fieldpost/fieldpost.js\0run\0--config\0/etc/fieldpost/fieldpost.yaml",
        };
      }
    },
    /processes 7, 8.*stop all but one/,
  ],
];

// Simulated chips answer in real time: on a machine that stands still for a second one of them is late.
describe.concurrent("the doctor", { retry: 2 }, () => {
  test("finds all well where all is well", async () => {
    const found = await diagnosed();
    expect(unwell(found)).toEqual([]);
    expect(found.filter(({ verdict }) => verdict === "ok").length).toBeGreaterThan(45);
    expect(
      found.filter(({ verdict }) => verdict === "skipped").every(({ found }) => found === "--offline"),
    ).toBe(true);
  });

  test.each<Row>(ROWS)("%s: names %s, and nothing else", async (check, _what, breakIt, says, yaml = YAML) => {
    const found = unwell(await diagnosed({ yaml, breakIt }));
    expect(found.map((each) => each.check)).toEqual([check]);
    expect(`${found[0]!.found} → ${found[0]!.fix ?? ""}`).toMatch(says);
  });

  test.each([
    ["/dev/i2c-1: not permitted: add the user to the group i2c"],
    ["the optional module i2c-bus does not load here: npm install i2c-bus"],
  ])("adds no advice of its own to a bus that says itself what is missing: %s", async (message) => {
    const found = unwell(
      await diagnosed({
        yaml: replacing("expanders: { relays: { chip: pcf8574 } }\n", "").replace(
          "  - { id: valve, driver: dac }\n",
          "",
        ),
        breakIt: ({ board }) => {
          board.simBus("/dev/i2c-1").transfer = () => Promise.reject(new I2cError("no_bus", message));
        },
      }),
    );
    expect(found).toEqual([{ check: "sensors", what: "sensor air", verdict: "failed", found: message }]);
  });

  test("leaves the lines and ports of a node that runs to it, and asks the other sensors", async () => {
    const found = await diagnosed({
      breakIt: ({ board, patient }) => {
        board.simSerial.fail("/dev/serial0", "absent");
        patient.runningNode = async () => ({ runs: true });
      },
    });
    const sensors = found
      .filter(({ check }) => check === "sensors")
      .map(({ what, verdict }) => `${what} ${verdict}`);
    expect(sensors).toEqual([
      "sensor air ok",
      "sensor rack ok",
      "sensor tank ok",
      "sensor door skipped",
      "sensor level ok",
      "sensor co2 skipped",
    ]);
    expect(unwell(found)).toEqual([]);
  });

  test("takes no offence at lines that sysfs has where the configuration chooses sysfs", async () => {
    const taken = ({ board }: Breakable) => board.gpio.occupy(22, "sysfs");
    expect(unwell(await diagnosed({ yaml: `gpio: { backend: sysfs }\n${YAML}`, breakIt: taken }))).toEqual(
      [],
    );
    expect(unwell(await diagnosed({ breakIt: taken }))).toMatchObject([{ what: "actuator pump" }]);
  });

  test("says of a check that does not end that it does not, and of one that breaks what broke it", async () => {
    const found = unwell(
      await diagnosed({
        breakIt: ({ machine }) => {
          machine.space = () => Promise.reject(new Error("EIO: i/o error, statfs"));
        },
      }),
    );
    expect(found.map(({ check, found }) => [check, found])).toEqual([
      ["disk-space", "cannot be looked at: EIO: i/o error, statfs"],
      ["inodes", "cannot be looked at: EIO: i/o error, statfs"],
    ]);
  });

  test("looks at the real disk, network and broker where the board is simulated, and at nothing of a board", async () => {
    const found = await diagnosed({
      breakIt: ({ patient, files }) => {
        patient.simulated = true;
        delete files["/dev/i2c-1"];
      },
    });
    expect(unwell(found)).toEqual([]);
    expect(found).toContainEqual({
      check: "i2c",
      what: "I2C",
      verdict: "skipped",
      found: "the board is simulated",
    });
    expect(found.find(({ what }) => what === "sensor air")).toMatchObject({ verdict: "ok" });
  });
});
