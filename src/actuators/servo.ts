import * as v from "valibot";
import type { PwmWave } from "../device/pwm.ts";
import type { ActuatorKind, ActuatorValue } from "./kind.ts";
import { channelEntries, channelPin, chipOf } from "./pwm-channel.ts";

const DEFAULT_HZ = 50;

const microseconds = () => v.pipe(v.number(), v.minValue(200), v.maxValue(3_000));
const degrees = () => v.pipe(v.number(), v.minValue(-360), v.maxValue(360));

const options = {
  ...channelEntries,
  /** Hz. Default: 50, or the expander's. Digital servos take up to 300. */
  frequency: v.optional(v.pipe(v.number(), v.minValue(40), v.maxValue(330))),
  /** The angles at the two ends. Degrees; outside of them nothing is accepted. */
  min_angle: v.optional(degrees(), 0),
  max_angle: v.optional(degrees(), 180),
  /** The pulses that belong to them, µs. Every servo can do the default; many can do 500 to 2500. */
  min_pulse: v.optional(microseconds(), 1_000),
  max_pulse: v.optional(microseconds(), 2_000),
};

/** A servo motor, set to an angle. `off` sends no pulses: most servos then hold no position. */
export const servo: ActuatorKind<typeof options> = {
  name: "servo",
  description: "A servo motor, set to an angle in degrees",
  options,
  pins: (options) => [channelPin(options)],
  range: ({ min_angle: one, max_angle: other }) => ({
    min: Math.min(one, other),
    max: Math.max(one, other),
    unit: "°",
  }),
  // Zero degrees is an angle like any other.
  isOn: (value) => value !== "off",
  accepts: (value, { min_angle: min, max_angle: max }) =>
    value === "off" ||
    (typeof value === "number" && value >= Math.min(min, max) && value <= Math.max(min, max)),
  async open(board, options, initial) {
    const periodNs = Math.round(1e9 / (options.frequency ?? DEFAULT_HZ));
    const waveOf = (value: ActuatorValue): PwmWave => ({
      periodNs,
      pulseNs:
        typeof value === "number" ? Math.min(periodNs, Math.round(pulseUs(value, options) * 1_000)) : 0,
    });
    const output = await board.pwm.output({
      ...chipOf(options),
      channel: options.channel,
      initial: waveOf(initial),
    });
    return { set: (value) => output.set(waveOf(value)), close: () => output.close() };
  },
};

interface Travel {
  readonly min_angle: number;
  readonly max_angle: number;
  readonly min_pulse: number;
  readonly max_pulse: number;
}

/** The pulse of an angle, µs: a straight line through the two ends. */
export function pulseUs(angle: number, { min_angle, max_angle, min_pulse, max_pulse }: Travel): number {
  if (max_angle === min_angle) return min_pulse;
  return min_pulse + ((angle - min_angle) / (max_angle - min_angle)) * (max_pulse - min_pulse);
}
