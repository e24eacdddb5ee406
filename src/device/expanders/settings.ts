import * as v from "valibot";
import { duration } from "../../schema/duration.ts";
import { pin } from "../../schema/pin.ts";
import { settings } from "../../schema/settings.ts";
import type { Pin } from "../gpio.ts";

/** What a configuration needs to know of each chip: where it can be on a bus, and how many pins or channels it has. */
export const EXPANDERS = {
  mcp23017: { pins: 16, addresses: range(0x20, 8), waves: false },
  pcf8574: { pins: 8, addresses: [...range(0x20, 8), ...range(0x38, 8)], waves: false },
  pcf8575: { pins: 16, addresses: range(0x20, 8), waves: false },
  tca9555: { pins: 16, addresses: range(0x20, 8), waves: false },
  // 0x70 is every PCA9685 at once after power-up (NXP rev. 4, section 7.1.1).
  pca9685: { pins: 16, addresses: range(0x40, 62).filter((address) => address !== 0x70), waves: true },
} as const;

export type ExpanderChip = keyof typeof EXPANDERS;

function range(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}

const name = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/, "an expander's name takes letters, digits, _ and -"),
);

const described = <S extends v.GenericSchema>(schema: S, description: string) =>
  v.pipe(schema, v.description(description));

const expander = settings({
  chip: described(v.picklist(Object.keys(EXPANDERS) as ExpanderChip[]), "Which chip it is"),
  bus: v.optional(described(v.string(), "A name in buses.i2c or a device path"), "main"),
  address: v.optional(described(v.pipe(v.number(), v.integer()), "Default: the chip's lowest")),
  interrupt: v.optional(
    described(pin(), "The GPIO line that its INT output is wired to; absent: it is polled"),
  ),
  poll: v.optional(
    described(duration({ minMs: 5, maxMs: 60_000 }), "How often inputs are read where there is no interrupt"),
    "50ms",
  ),
  frequency: v.optional(
    described(
      v.pipe(v.number(), v.minValue(24), v.maxValue(1_526)),
      "pca9685 only: Hz, the same for all channels. Default: 50, for servos",
    ),
  ),
});

/** Chips that add pins or PWM channels, by the name that pins refer to. */
export const expandersSettings = v.record(name, expander);

export type ExpanderSettings = v.InferOutput<typeof expander>;

/** The frequency of a PCA9685 that says none: a servo's. */
export const SERVO_HZ = 50;

/** The pin of an expander as the program calls it: `io1:3`. */
export function expanderPin(pin: Pin): { readonly name: string; readonly pin: number } | undefined {
  const [, name, number] = /^([^:]+):(\d{1,3})$/.exec(typeof pin === "string" ? pin : "") ?? [];
  return name === undefined ? undefined : { name, pin: Number(number) };
}
