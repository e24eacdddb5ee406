import type { Config } from "../config/config.ts";
import { type Check, type Diagnosis, failed, ok, warning } from "./check.ts";
import type { Patient } from "./patient.ts";
import { groupsOf, nodeUser } from "./user.ts";

/** The group that each kind of wire needs on Raspberry Pi OS. */
export const GROUPS: Readonly<Record<string, string>> = {
  i2c: "i2c",
  spi: "spi",
  serial: "dialout",
  gpio: "gpio",
};

/** The wires that a configuration uses. */
export function wiresOf({ sensors, actuators, expanders }: Config): ReadonlySet<string> {
  const wires = new Set<string>(sensors.map(({ driver }) => driver.bus));
  if (Object.keys(expanders).length > 0 || actuators.some(({ bus }) => bus !== undefined)) wires.add("i2c");
  if (actuators.some(({ kind, options }) => kind.pins(options).some((pin) => !/^PWM |:/.test(String(pin)))))
    wires.add("gpio");
  return wires;
}

export const user: Check = {
  id: "user",
  area: "machine",
  title: "user",
  looksAt: "the node does not run as root",
  needs: "board",
  async run(patient) {
    const { name, uid } = await nodeUser(patient);
    const { file, machine } = patient;
    if (uid === 0)
      return [
        warning(
          "user",
          "the node would run as root",
          "run it as a user of its own: the package's service does",
        ),
      ];
    const by = machine.user.uid === uid ? "" : `, seen by ${machine.user.name}`;
    return [ok("user", `${name}${file.isOfService ? ", the service's" : ""}${by}`)];
  },
};

export const groups: Check = {
  id: "groups",
  area: "machine",
  title: "groups",
  looksAt: "the node's user is in the groups of the wires that are used: `i2c`, `spi`, `dialout`, `gpio`",
  needs: "board",
  async run(patient) {
    const user = await nodeUser(patient);
    const known = await groupsOf(patient.machine);
    const wires = wiresOf(patient.config);
    return Object.entries(GROUPS).flatMap(([wire, name]): Diagnosis[] => {
      const group = known.find((each) => each.name === name);
      if (!wires.has(wire) || user.uid === 0 || !group) return [];
      const what = `group ${name}`;
      if (user.groups.includes(group.gid)) return [ok(what, `${user.name} is in it`)];
      return [
        failed(
          what,
          `${user.name} is not in it`,
          `sudo usermod -aG ${name} ${user.name}, then log in again or restart the service`,
        ),
      ];
    });
  },
};

export const nativePart: Check = {
  id: "native-part",
  area: "machine",
  title: "native part",
  looksAt: "the part that is compiled for this machine loads; without it GPIO goes through sysfs",
  needs: "board",
  async run({ config, machine }: Patient) {
    const { backend } = config.gpio;
    if (!wiresOf(config).has("gpio") || backend === "sysfs") return [];
    try {
      machine.loadAddon();
      return [ok("native part", "loads")];
    } catch (error) {
      const { message } = error as Error;
      // Without it auto falls back to sysfs, which can do less.
      if (backend === "cdev") return [failed("native part", message)];
      return [
        warning(
          "native part",
          message,
          "until then GPIO goes through sysfs: no pulls, no count of lost edges",
        ),
      ];
    }
  },
};
