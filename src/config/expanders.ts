import { EXPANDERS, type ExpanderSettings, expanderPin, SERVO_HZ } from "../device/expanders/settings.ts";
import { formatAddress } from "../device/i2c.ts";
import { type Finding, wrongKey, wrongValue } from "./finding.ts";
import { isMap, type Raw } from "./item.ts";
import { nearest } from "./nearest.ts";
import { MAIN_BUS, type Sections } from "./sections.ts";
import { checkBusName } from "./sensor-checks.ts";
import { type BusPlace, type Item, pinKey } from "./wiring.ts";

type Blocks = Partial<Pick<Sections, "expanders" | "buses">>;

/** The device path of a bus by its name or path; undefined: the board's user bus. */
export function busPath(bus: string, buses: Sections["buses"] | undefined): string | undefined {
  return bus.startsWith("/") ? bus : buses?.i2c[bus]?.device;
}

/** Each expander with what it takes of the board: a bus address, and the line of its interrupt. */
export function expandersOf(raw: unknown, { expanders = {}, buses }: Blocks): Item<BusPlace>[] {
  return Object.entries(expanders).map(([name, { bus, chip, address, interrupt }]) => {
    const i2cPath = busPath(bus, buses);
    const place = {
      bus,
      address: address ?? EXPANDERS[chip].addresses[0]!,
      ...(i2cPath !== undefined && { i2cPath }),
    };
    return {
      list: "expanders",
      path: ["expanders", name],
      raw: isMap(raw) ? raw[name] : undefined,
      resolved: { config: place, findings: [], pins: interrupt === undefined ? [] : [interrupt] },
    };
  });
}

/** Expanders are where they can be, and what hangs on them exists. */
export function checkExpanders(
  raw: unknown,
  { expanders, buses }: Blocks,
  users: readonly Item<unknown>[],
): Finding[] {
  // Where the block is itself wrong, that has been said.
  if (!expanders) return [];
  const known = new Map(Object.entries(expanders));
  return [
    ...[...known].flatMap(([name, expander]) =>
      checkExpander(name, expander, (isMap(raw) ? raw[name] : {}) as Raw, buses),
    ),
    ...users.flatMap((user) => checkUser(user, known)),
  ];
}

function checkExpander(
  name: string,
  { chip, bus, address, frequency, interrupt }: ExpanderSettings,
  raw: Raw,
  buses: Sections["buses"] | undefined,
): Finding[] {
  const path = ["expanders", name];
  const { addresses, waves } = EXPANDERS[chip];
  const findings = "bus" in raw ? checkBusName(bus, path, buses) : [];
  if (address !== undefined && !(addresses as readonly number[]).includes(address)) {
    const last = formatAddress(addresses.at(-1)!);
    const message = `a ${chip} is at ${formatAddress(addresses[0]!)} to ${last}, never at ${formatAddress(address)}`;
    findings.push(wrongValue([...path, "address"], message));
  }
  if (!waves && frequency !== undefined)
    findings.push(
      wrongKey([...path, "frequency"], `frequency has no meaning for a ${chip}: it makes no waves`),
    );
  for (const key of ["interrupt", "poll"])
    if (waves && key in raw)
      findings.push(wrongKey([...path, key], `${key} has no meaning for a ${chip}: it has no inputs`));
  if (interrupt !== undefined && expanderPin(interrupt))
    findings.push(wrongValue([...path, "interrupt"], "the interrupt goes to a line of the board itself"));
  return findings;
}

function checkUser(
  { path, raw, resolved }: Item<unknown>,
  expanders: ReadonlyMap<string, ExpanderSettings>,
): Finding[] {
  return resolved.pins.flatMap((pin) => {
    const place = expanderPin(pin);
    if (!place) return [];
    const key = isMap(raw) && raw["expander"] === place.name ? "expander" : pinKey(raw, pin);
    const expander = expanders.get(place.name);
    if (!expander) {
      const message = `there is no expander "${place.name}"`;
      return [
        wrongValue(
          [...path, key],
          message,
          key === "expander" ? nearest(place.name, expanders.keys()) : undefined,
        ),
      ];
    }
    const { pins, waves } = EXPANDERS[expander.chip];
    const wantsWaves = isMap(raw) && (raw["driver"] === "pwm" || raw["driver"] === "servo");
    if (waves && !wantsWaves)
      return [
        wrongValue([...path, key], `${place.name} is a ${expander.chip}: its channels are for pwm and servo`),
      ];
    if (!waves && wantsWaves)
      return [
        wrongValue(
          [...path, key],
          `${place.name} is a ${expander.chip}, which makes no waves; a pca9685 does`,
        ),
      ];
    return place.pin < pins
      ? []
      : [
          wrongValue(
            [...path, pinKey(raw, pin)],
            `${place.name} is a ${expander.chip}: its pins are 0 to ${pins - 1}`,
          ),
        ];
  });
}

/** All channels of a PCA9685 have its frequency. */
export function withFrequency(item: unknown, { expanders }: Blocks): unknown {
  if (!isMap(item) || typeof item["expander"] !== "string" || "frequency" in item) return item;
  const expander = expanders?.[item["expander"]];
  if (expander?.chip !== "pca9685") return item;
  return { ...item, frequency: expander.frequency ?? SERVO_HZ };
}

/** The expanders as a board opens them. */
export function withBuses({ expanders, buses }: Pick<Sections, "expanders" | "buses">) {
  return Object.fromEntries(
    Object.entries(expanders).map(([name, expander]) => {
      const i2cPath =
        expander.bus === MAIN_BUS && !buses.i2c[MAIN_BUS] ? undefined : busPath(expander.bus, buses);
      return [name, { ...expander, ...(i2cPath !== undefined && { i2cPath }) }];
    }),
  );
}
