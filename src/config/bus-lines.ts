import type { Pin } from "../device/gpio.ts";
import { bcmOfHeader } from "../device/header.ts";
import { type Finding, wrongValue } from "./finding.ts";
import { isMap } from "./item.ts";
import type { Sections } from "./sections.ts";
import type { Item } from "./wiring.ts";

/** BCM numbers that the I2C controllers of a Raspberry Pi's header have. */
const OWN_LINES = [0, 1, 2, 3];

/** The lines that each bus takes for mending what hangs on it: of SCL and SDA, and of the supply. */
export function busesOf(raw: unknown, buses: Sections["buses"] | undefined): Item<unknown>[] {
  const written = isMap(raw) && isMap(raw["i2c"]) ? raw["i2c"] : {};
  return Object.entries(buses?.i2c ?? {}).flatMap(([name, { recovery, power }]) => {
    const bus = isMap(written[name]) ? written[name] : {};
    const path = ["buses", "i2c", name];
    return [
      ...(recovery ? [{ key: "recovery", pins: [recovery.scl, recovery.sda] }] : []),
      ...(power ? [{ key: "power", pins: [power.pin] }] : []),
    ].map(({ key, pins }) => ({
      list: "buses" as const,
      path: [...path, key],
      raw: bus[key],
      resolved: { findings: [], pins },
    }));
  });
}

/**
 * A line of the controller itself cannot be pulsed: to take it as GPIO takes it off the bus, and on a Raspberry Pi nothing
 * puts it back before the driver is bound again.
 */
export function checkBusLines(buses: Sections["buses"] | undefined): Finding[] {
  return Object.entries(buses?.i2c ?? {}).flatMap(([name, { recovery }]) =>
    Object.entries(recovery ?? {}).flatMap(([key, pin]) =>
      OWN_LINES.includes(bcmOf(pin))
        ? [
            wrongValue(
              ["buses", "i2c", name, "recovery", key],
              "this line is the bus's own, and taken as GPIO it would stay off the bus: wire another line beside it",
            ),
          ]
        : [],
    ),
  );
}

function bcmOf(pin: Pin): number {
  if (typeof pin === "object") return bcmOfHeader(pin.header) ?? Number.NaN;
  return Number(/^(?:GPIO)?(\d+)$/.exec(String(pin))?.[1]);
}
