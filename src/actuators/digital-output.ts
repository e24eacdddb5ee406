import * as v from "valibot";
import { pin } from "../schema/pin.ts";
import type { ActuatorKind, ActuatorValue } from "./kind.ts";

const options = {
  pin: pin(),
  /** The load is on while the line is electrically low, as on most relay boards. */
  active_low: v.optional(v.boolean(), false),
  /** `open_drain` lets go of the line instead of driving it high: for wires that several share, or of another voltage. */
  drive: v.optional(v.picklist(["push_pull", "open_drain", "open_source"])),
};

/** A GPIO line that switches something: a relay, a valve, a lamp. */
export const digitalOutput: ActuatorKind<typeof options> = {
  name: "digital_output",
  description: "A GPIO line that switches a relay, a valve or a lamp",
  options,
  pins: (options) => [options.pin],
  accepts: (value) => value === "on" || value === "off",
  async open({ gpio }, options, initial) {
    const line = await gpio.output({
      pin: options.pin,
      activeLow: options.active_low,
      initial: level(initial),
      ...(options.drive && { drive: options.drive }),
    });
    return { set: (value) => line.set(level(value)), close: () => line.close() };
  },
};

function level(value: ActuatorValue): 0 | 1 {
  return value === "on" ? 1 : 0;
}
