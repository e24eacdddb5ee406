import * as v from "valibot";
import type { Clock } from "../device/clock.ts";
import type { OutputLine } from "../device/gpio.ts";
import { duration } from "../schema/duration.ts";
import { pin } from "../schema/pin.ts";
import { settings } from "../schema/settings.ts";
import type { ActuatorKind, ActuatorValue, OutputContext } from "./kind.ts";

const options = {
  pin: pin(),
  /** The load is on while the line is electrically low, as on most relay boards. */
  active_low: v.optional(v.boolean(), false),
  /** `open_drain` lets go of the line instead of driving it high: for wires that several share, or of another voltage. */
  drive: v.optional(v.picklist(["push_pull", "open_drain", "open_source"])),
  /** Off again by itself after this long: a door opener, a latching relay. */
  pulse: v.optional(duration({ minMs: 1, maxMs: 86_400_000 })),
  /** While it is on, the line goes on and off in turns. */
  blink: v.optional(settings({ on: duration({ minMs: 20 }), off: duration({ minMs: 20 }) })),
};

/** A GPIO line that switches something: a relay, a valve, a lamp. */
export const digitalOutput: ActuatorKind<typeof options> = {
  name: "digital_output",
  description: "A GPIO line that switches a relay, a valve or a lamp; also in pulses, or blinking",
  options,
  pins: (options) => [options.pin],
  accepts: (value) => value === "on" || value === "off",
  runsForMs: (_, { pulse }) => pulse,
  async open({ gpio }, { pin, active_low, drive, blink }, initial, context) {
    const line = await gpio.output({
      pin,
      activeLow: active_low,
      initial: level(initial),
      ...(drive && { drive }),
    });
    if (!blink) return { set: (value) => line.set(level(value)), close: () => line.close() };
    return blinking(line, blink, initial, context);
  },
};

function blinking(
  line: OutputLine,
  times: { readonly on: number; readonly off: number },
  initial: ActuatorValue,
  { clock, onFailure }: OutputContext,
) {
  let stop = new AbortController();
  let running: Promise<void> = Promise.resolve();

  async function halt(): Promise<void> {
    stop.abort();
    await running;
  }

  function start(): void {
    stop = new AbortController();
    running = alternate(line, times, clock, stop.signal).catch(onFailure);
  }

  if (initial === "on") start();
  return {
    async set(value: ActuatorValue) {
      await halt();
      await line.set(level(value));
      if (value === "on") start();
    },
    async close() {
      await halt();
      await line.close();
    },
  };
}

/** Begins with the line on. */
async function alternate(
  line: OutputLine,
  times: { readonly on: number; readonly off: number },
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  for (let lit = true; ; lit = !lit) {
    await clock.sleep(lit ? times.on : times.off, signal);
    if (signal.aborted) return;
    await line.set(lit ? 0 : 1);
  }
}

function level(value: ActuatorValue): 0 | 1 {
  return value === "on" ? 1 : 0;
}
