import * as v from "valibot";
import { type PwmWave, wave } from "../device/pwm.ts";
import type { ActuatorKind, ActuatorValue } from "./kind.ts";
import { channelEntries, channelPin, chipOf } from "./pwm-channel.ts";

const DEFAULT_HZ = 1_000;

const percent = () => v.pipe(v.number(), v.minValue(0), v.maxValue(100));

const options = {
  ...channelEntries,
  /** Hz. Default: 1000, or the expander's. */
  frequency: v.optional(v.pipe(v.number(), v.minValue(1), v.maxValue(1_000_000))),
  /** The load is on while the line is electrically low. */
  inverted: v.optional(v.boolean(), false),
  /** The smallest value but 0, for a motor that does not turn below it. Percent. */
  min: v.optional(percent(), 0),
  /** The largest value, and what `on` is. Percent. */
  max: v.optional(percent(), 100),
};

/** A load whose power is a share: a fan, a heater, a dimmable lamp. Values are percent. */
export const pwm: ActuatorKind<typeof options> = {
  name: "pwm",
  description: "A fan, heater or lamp in percent: the board's hardware PWM or a PCA9685",
  options,
  pins: (options) => [channelPin(options)],
  range: ({ min, max }) => ({ min, max, unit: "%" }),
  accepts: (value, { min, max }) =>
    value === "on" ||
    value === "off" ||
    value === 0 ||
    (typeof value === "number" && value >= min && value <= max),
  async open(board, options, initial) {
    const { channel, inverted, frequency = DEFAULT_HZ, max } = options;
    const waveOf = (value: ActuatorValue): PwmWave => wave(frequency, percentOf(value, max) / 100);
    const output = await board.pwm.output({
      ...chipOf(options),
      channel,
      inverted,
      initial: waveOf(initial),
    });
    return { set: (value) => output.set(waveOf(value)), close: () => output.close() };
  },
};

function percentOf(value: ActuatorValue, max: number): number {
  if (typeof value === "number") return value;
  return value === "on" ? max : 0;
}
