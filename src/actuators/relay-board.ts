import * as v from "valibot";
import type { ActuatorKind, ActuatorValue } from "./kind.ts";

const options = {
  /** A chip in `expanders`. */
  expander: v.string(),
  /** As printed on the board, from 1. */
  relay: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(16)),
  /** Most boards switch a relay on while its input is low. */
  active_low: v.optional(v.boolean(), true),
};

const pinOf = ({ expander, relay }: { readonly expander: string; readonly relay: number }) =>
  `${expander}:${relay - 1}`;

/** One relay of a board behind an expander, by the number that is printed on it. */
export const relayBoard: ActuatorKind<typeof options> = {
  name: "relay_board",
  description: "A relay of a board behind MCP23017, PCF8574, PCF8575 or TCA9555",
  options,
  pins: (options) => [pinOf(options)],
  accepts: (value) => value === "on" || value === "off",
  async open({ gpio }, options, initial) {
    const level = (value: ActuatorValue) => (value === "on" ? 1 : 0);
    const line = await gpio.output({
      pin: pinOf(options),
      activeLow: options.active_low,
      initial: level(initial),
    });
    return { set: (value) => line.set(level(value)), close: () => line.close() };
  },
};
