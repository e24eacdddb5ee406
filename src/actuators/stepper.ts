import * as v from "valibot";
import type { OutputLine, Pin } from "../device/gpio.ts";
import { pin } from "../schema/pin.ts";
import type { ActuatorKind, ActuatorValue } from "./kind.ts";

/** What timers of an ordinary Linux process keep: see docs/actuators.md for what was measured. */
const MAX_STEPS_PER_SECOND = 250;

/** A4988, DRV8825 and TMC2209 want the step line high for 1 to 2 µs: a millisecond is what a timer can do. */
const PULSE_MS = 1;

const steps = (maximum: number) => v.pipe(v.number(), v.integer(), v.minValue(-maximum), v.maxValue(maximum));

const options = {
  step_pin: pin(),
  dir_pin: pin(),
  /** The driver's enable input, low while it is to hold and move, as on common boards. */
  enable_pin: v.optional(pin()),
  /** At most; Linux makes some steps later, none earlier. */
  speed: v.optional(v.pipe(v.number(), v.minValue(0.1), v.maxValue(MAX_STEPS_PER_SECOND)), 100),
  /** The positions that are accepted, in steps from where the motor stood when the node started. */
  min: v.optional(steps(1_000_000), 0),
  max: steps(1_000_000),
};

/**
 * A stepper motor behind a driver with step and direction inputs, for what is slow: a valve, a feeder. Values are
 * positions in steps. It has no end switch: its zero is where it stood when the node started.
 */
export const stepper: ActuatorKind<typeof options> = {
  name: "stepper",
  description: "A stepper motor with step and direction inputs, up to 250 steps a second",
  options,
  pins: ({ step_pin, dir_pin, enable_pin }) => [
    step_pin,
    dir_pin,
    ...(enable_pin === undefined ? [] : [enable_pin]),
  ],
  range: ({ min, max }) => ({ min, max, unit: "steps" }),
  // Position 0 is one like any other.
  isOn: (value) => value !== "off",
  // A motor that is still under way then is stopped: every step may come late, but not all of them that late.
  runsForMs: (_, { min, max, speed }) => 1_000 + (4 * 1_000 * (max - min)) / speed,
  accepts: (value, { min, max }) =>
    value === "off" || (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max),
  async open({ gpio }, { step_pin, dir_pin, enable_pin, speed }, initial, { clock, onFailure, onEnd }) {
    const lines: OutputLine[] = [];
    const take = async (pin: Pin, activeLow = false) => {
      const line = await gpio.output({ pin, activeLow, initial: 0 });
      lines.push(line);
      return line;
    };
    const free = () => Promise.all(lines.map((line) => line.close()));
    const opened = (async () => ({
      enable: enable_pin === undefined ? undefined : await take(enable_pin, true),
      step: await take(step_pin),
      dir: await take(dir_pin),
    }))();
    const { enable, step, dir } = await opened.catch(async (error: unknown) => {
      await free();
      throw error;
    });
    const restMs = Math.max(PULSE_MS, 1_000 / speed - PULSE_MS);
    let position = 0;
    let stop = new AbortController();
    let moving: Promise<void> = Promise.resolve();

    async function move(target: number, signal: AbortSignal): Promise<void> {
      while (position !== target && !signal.aborted) {
        await step.set(1);
        await clock.sleep(PULSE_MS);
        await step.set(0);
        position += target > position ? 1 : -1;
        await clock.sleep(restMs, signal);
      }
      if (!signal.aborted) onEnd();
    }

    async function set(value: ActuatorValue): Promise<void> {
      stop.abort();
      await moving;
      if (typeof value !== "number") {
        await step.set(0);
        await enable?.set(0);
        return;
      }
      await enable?.set(1);
      await dir.set(value >= position ? 1 : 0);
      stop = new AbortController();
      moving = move(value, stop.signal).catch(onFailure);
    }

    if (initial !== "off") await set(initial);
    return {
      set,
      details: () => ({ position }),
      async close() {
        stop.abort();
        await moving;
        await free();
      },
    };
  },
};
