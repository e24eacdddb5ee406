import * as v from "valibot";

/** Names that a reading has for its own use. */
const RESERVED_NAMES = ["seq", "time", "clock", "historical"];

/** What every channel of an analogue converter has in a configuration, beside its input. */
export const channelEntries = {
  /** Name of the field. */
  name: v.pipe(
    v.string(),
    v.regex(/^[a-z][a-z0-9_]*$/, "expected lower-case letters, digits and underscores"),
    v.notValues(RESERVED_NAMES, "a reading uses this name itself"),
  ),
  /** The field's value is `volts * scale + offset`. */
  scale: v.optional(v.pipe(v.number(), v.finite(), v.notValue(0)), 1),
  offset: v.optional(v.pipe(v.number(), v.finite()), 0),
  /** Unit of the scaled value. */
  unit: v.optional(v.string(), "V"),
};

export function namesDiffer(channels: readonly { readonly name: string }[]): boolean {
  return new Set(channels.map(({ name }) => name)).size === channels.length;
}

/** As many decimals as one step of the converter has. */
export function decimalsOf(stepVolts: number, scale: number): number {
  return Math.min(9, Math.max(0, Math.ceil(-Math.log10(stepVolts * Math.abs(scale)))));
}
