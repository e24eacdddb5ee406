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
  fields: { active: { unit: "", boolean: true, precision: 0 } },
  options,
  pins: (options) => [options.pin],
  async open(gpio, options) {
    const line = await gpio.input({
      pin: options.pin,
      activeLow: options.active_low,
      debounceMs: options.debounce,
      ...(options.pull && { bias: options.pull }),
    });
    return {
      read: async () => ({ active: (await line.get()) === 1 }),
      async *changes(signal) {
        for await (const edge of line.edges(signal)) yield { active: edge.kind === "rising" };
      },
      close: () => line.close(),
    };
  },
});
