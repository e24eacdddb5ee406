import type { HeaderPin, Pin } from "../device/gpio.ts";
import { bcmOfHeader, isOnHeader } from "../device/header.ts";
import { formatAddress } from "../device/i2c.ts";
import { FAULTS } from "../device/sim/settings.ts";
import type { SensorConfig } from "./config.ts";
import { type Finding, wrongKey, wrongValue } from "./finding.ts";
import { isMap, type Raw, type Resolved } from "./item.ts";
import type { Path } from "./tree.ts";

/** One item of a list together with what was understood of it. */
export interface Item<T> {
  readonly list: "sensors" | "actuators" | "expanders" | "buses";
  readonly path: Path;
  readonly raw: unknown;
  readonly resolved: Resolved<T>;
}

/** For people: `sensor "air"`. */
function nameOf({ list, path, raw }: Item<unknown>): string {
  if (list === "buses") return `bus "${path[2]}"`;
  if (list === "expanders") return `expander "${path[1]}"`;
  const id = isMap(raw) ? raw["id"] : undefined;
  return `${list === "sensors" ? "sensor" : "actuator"} ${typeof id === "string" ? `"${id}"` : Number(path[1]) + 1}`;
}

/** An id names one item of its list. */
export function checkIds(items: readonly Item<unknown>[]): Finding[] {
  const seen = new Set<string>();
  return items.flatMap(({ list, path, raw }) => {
    const id = isMap(raw) ? raw["id"] : undefined;
    if (typeof id !== "string") return [];
    if (!seen.has(id)) return seen.add(id) && [];
    return [wrongValue([...path, "id"], `another of the ${list} is called "${id}" already`)];
  });
}

/** A line has one user. `17`, `"17"`, `GPIO17` and `{ header: 11 }` are the same line. */
export function checkPins(items: readonly Item<unknown>[]): Finding[] {
  const users = new Map<string, Item<unknown>>();
  return items.flatMap((item) =>
    item.resolved.pins.flatMap((pin) => {
      const line = lineName(pin);
      if (line === undefined) {
        const { header } = pin as HeaderPin;
        return [
          wrongValue(
            [...item.path, pinKey(item.raw, pin)],
            isOnHeader(header)
              ? `header pin ${header} is power or ground, not a GPIO line`
              : `a header has pins 1 to 40, no ${header}`,
          ),
        ];
      }
      const user = users.get(line);
      if (!user) return users.set(line, item) && [];
      const by = user === item ? "twice here" : `by ${nameOf(user)} already`;
      return [wrongValue([...item.path, pinKey(item.raw, pin)], `${line} is used ${by}`)];
    }),
  );
}

/** Undefined where it is none. Pins of a header are compared as those of the 40-pin one: which board it will be is not known here. */
/** One name for one line, however it is written; undefined for a pin that is none. */
export function lineName(at: Pin): string | undefined {
  const pin = typeof at === "object" ? bcmOfHeader(at.header) : at;
  if (pin === undefined) return undefined;
  const number = /^(?:GPIO)?0*(\d+)$/i.exec(String(pin))?.[1];
  return number === undefined ? String(pin) : `GPIO${number}`;
}

/** The key that holds the pin; the last one where several do, since the first is not to blame. */
export function pinKey(raw: unknown, pin: Pin): string {
  const written = JSON.stringify(pin);
  const entries = Object.entries(raw as Raw);
  const [key] =
    entries.findLast(([, value]) => JSON.stringify(value) === written || asPin(value) === pin) ?? [];
  return key ?? ["channel", "relay"].find((name) => name in (raw as Raw)) ?? "driver";
}

function asPin(value: unknown): string | undefined {
  return isMap(value) && "expander" in value ? `${value["expander"]}:${value["pin"]}` : undefined;
}

/** A chip select and a serial port have one user. */
export function checkDevices(items: readonly Item<SensorConfig>[]): Finding[] {
  const users = new Map<string, Item<unknown>>();
  return items.flatMap((item) => {
    const { devicePath } = item.resolved.config ?? {};
    if (devicePath === undefined) return [];
    const user = users.get(devicePath);
    if (!user) return users.set(devicePath, item) && [];
    const key = isMap(item.raw) && "device" in item.raw ? "device" : "driver";
    return [wrongValue([...item.path, key], `${devicePath} is used by ${nameOf(user)} already`)];
  });
}

/** Where on which bus a chip is; in what was understood of an item. */
export interface BusPlace {
  readonly bus?: string;
  readonly i2cPath?: string;
  readonly address?: number;
}

/** A bus address has one user. */
export function checkAddresses(items: readonly Item<BusPlace>[]): Finding[] {
  const users = new Map<string, Item<unknown>>();
  return items.flatMap((item) => {
    const { bus, i2cPath, address } = item.resolved.config ?? {};
    if (bus === undefined || address === undefined) return [];
    const place = `${i2cPath ?? bus} ${address}`;
    const user = users.get(place);
    if (!user) return users.set(place, item) && [];
    const message = `${formatAddress(address)} on bus ${bus} is used by ${nameOf(user)} already`;
    const key = ["address", "driver", "chip"].find((name) => isMap(item.raw) && name in item.raw);
    return [wrongValue([...item.path, key ?? "driver"], message)];
  });
}

/** Interlocks name other actuators, each once, and the states they start from and fall back to obey them. */
export function checkInterlocks(
  items: readonly Item<unknown>[],
  near: (id: string) => string | undefined,
): Finding[] {
  const raws = new Map(items.flatMap(({ raw }) => (isMap(raw) ? [[raw["id"], raw] as const] : [])));
  return items.flatMap(({ path, raw }) => {
    const targets = isMap(raw) && Array.isArray(raw["interlock"]) ? (raw["interlock"] as unknown[]) : [];
    return targets.flatMap((target, index) => {
      if (typeof target !== "string") return [];
      const at = [...path, "interlock", index];
      const self = (raw as Raw)["id"];
      if (target === self) return [wrongValue(at, "an actuator cannot be interlocked with itself")];
      if (targets.indexOf(target) < index) return [wrongValue(at, `"${target}" is in the list already`)];
      const other = raws.get(target);
      if (!other) return [wrongValue(at, `there is no actuator "${target}"`, near(target))];
      if (other["driver"] === "group")
        return [wrongValue(at, `"${target}" is a group: name the members of it that are meant`)];
      return ["initial", "safe"]
        .filter((key) => (raw as Raw)[key] === "on" && other[key] === "on")
        .map((key) =>
          wrongKey([...path, key], `both this and "${target}" are on here, against the interlock`),
        );
    });
  });
}

/** A group names actuators, each once, and none of them is a group. */
export function checkGroups(
  items: readonly Item<unknown>[],
  near: (id: string) => string | undefined,
): Finding[] {
  const drivers = new Map(
    items.flatMap(({ raw }) => (isMap(raw) ? [[raw["id"], raw["driver"]] as const] : [])),
  );
  return items.flatMap(({ path, raw }) => {
    if (!isMap(raw) || raw["driver"] !== "group" || !Array.isArray(raw["members"])) return [];
    const members = raw["members"] as unknown[];
    return members.flatMap((member, index) => {
      if (typeof member !== "string") return [];
      const at = [...path, "members", index];
      if (!drivers.has(member)) return [wrongValue(at, `there is no actuator "${member}"`, near(member))];
      if (drivers.get(member) === "group") return [wrongValue(at, `"${member}" is a group itself`)];
      return members.indexOf(member) < index ? [wrongValue(at, `"${member}" is in the list already`)] : [];
    });
  });
}

/** A simulated fault strikes a sensor that exists, in a way that its kind of wire knows. */
export function checkFaults(
  simulation: unknown,
  sensors: readonly Item<SensorConfig>[],
  near: (id: string) => string | undefined,
): Finding[] {
  const faults =
    isMap(simulation) && Array.isArray(simulation["faults"]) ? (simulation["faults"] as unknown[]) : [];
  return faults.flatMap((struck, index) => {
    const { sensor, fault }: Raw = isMap(struck) ? struck : {};
    const at = ["simulation", "faults", index];
    if (typeof sensor !== "string") return [];
    const item = sensors.find(({ raw }) => isMap(raw) && raw["id"] === sensor);
    if (!item) return [wrongValue([...at, "sensor"], `there is no sensor "${sensor}"`, near(sensor))];
    const bus = item.resolved.config?.driver.bus;
    if (bus === undefined || !isFault(fault)) return [];
    const possible: readonly string[] = bus === "host" ? [] : FAULTS[bus];
    if (possible.includes(fault)) return [];
    const instead = possible.length === 0 ? "it has no wire" : `possible: ${possible.join(", ")}`;
    return [wrongValue([...at, "fault"], `${fault} cannot happen to sensor "${sensor}"; ${instead}`)];
  });
}

/** Whether it is one at all; if not, the schema has said so. */
function isFault(fault: unknown): fault is string {
  return Object.values(FAULTS).some((faults: readonly unknown[]) => faults.includes(fault));
}
