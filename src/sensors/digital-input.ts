import * as v from "valibot";
import { duration } from "../schema/duration.ts";
import { pin } from "../schema/pin.ts";
import { defineDriver } from "./driver.ts";

const options = {
  pin: pin(),
  /** Absent: as the board left it. */
  pull: v.optional(v.picklist(["up", "down", "none"])),
  /** A contact to ground is active while it is closed. */
  active_low: v.optional(v.boolean(), false),
  /** The level must hold this long to count as changed. */
  debounce: v.optional(duration({ maxMs: 60_000 }), "20ms"),
};

/** A contact, button or logic level on a GPIO line. */
export const digitalInput = defineDriver({
  name: "digital_input",
  bus: "gpio",
  chip: "GPIO line",
  description: "A door contact, button, float switch or motion detector",
  datasheet: "Linux, Documentation/userspace-api/gpio",
  fields: {
    active: { unit: "", boolean: true, precision: 0 },
    /** Edges that are known to have been lost since the previous reading; absent while there are none. */
    missed: { unit: "", precision: 0, accumulates: true },
  },
  options,
  pins: (options) => [options.pin],
  async open(gpio, options) {
    const line = await gpio.input({
      pin: options.pin,
      activeLow: options.active_low,
      debounceMs: options.debounce,
      ...(options.pull && { bias: options.pull }),
    });
    const told = (active: boolean, missed: number) => ({ active, ...(missed > 0 && { missed }) });
    return {
      read: async () => ({ active: (await line.get()) === 1 }),
      async *changes(signal) {
        for await (const { kind, missed } of line.edges(signal)) yield told(kind === "rising", missed);
      },
      close: () => line.close(),
    };
  },
});
