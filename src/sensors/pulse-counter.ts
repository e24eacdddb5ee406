import * as v from "valibot";
import type { Clock } from "../device/clock.ts";
import type { InputLine } from "../device/gpio.ts";
import { duration } from "../schema/duration.ts";
import { pin } from "../schema/pin.ts";
import { defineDriver, type Measurements, type Sensor } from "./driver.ts";

const options = {
  pin: pin(),
  /** Absent: as the board left it. */
  pull: v.optional(v.picklist(["up", "down", "none"])),
  /** Which electrical edge of a pulse counts; `both` counts twice a pulse. */
  edge: v.optional(v.picklist(["rising", "falling", "both"]), "rising"),
  /** Shortest pulse and shortest pause: what is shorter is contact bounce. Less for a fast flow meter. */
  debounce: v.optional(duration({ maxMs: 60_000 }), "5ms"),
  /** What a pulse stands for: `mm`, `l`, `Wh`. */
  unit: v.optional(v.string(), ""),
  /** How much of `unit` a pulse stands for. */
  per_pulse: v.optional(v.pipe(v.number(), v.finite(), v.gtValue(0)), 1),
};

/** Decimal places that a field can have. */
const MAX_PRECISION = 9;

const MINUTE_MS = 60_000;

/**
 * A rain gauge, flow or energy meter: something that makes pulses. Every pulse since the sensor was opened is in
 * exactly one reading's `count`, so the sum of `count` over the sequence numbers is exact, across restarts too, but for
 * the pulses after a run's last reading and while the node is down. `total` starts from zero when the sensor is opened.
 */
export const pulseCounter = defineDriver({
  name: "pulse_counter",
  bus: "gpio",
  chip: "GPIO line",
  description: "A rain gauge, flow meter, anemometer or energy meter that makes pulses",
  datasheet: "Linux, Documentation/userspace-api/gpio",
  fields: ({ unit, per_pulse }) => ({
    /** Pulses since the previous reading. */
    count: { unit: "", precision: 0, accumulates: true },
    /** Since the sensor was opened, in `unit`. */
    total: { unit, precision: decimals(per_pulse), stateClass: "total_increasing" },
    /** Since the previous reading, in `unit` a minute. */
    rate: { unit: `${unit}/min`, precision: Math.min(decimals(per_pulse) + 1, MAX_PRECISION) },
    /** Edges that the kernel is known to have lost since the previous reading; absent while there are none. */
    missed: { unit: "", precision: 0, accumulates: true },
  }),
  options,
  pins: (options) => [options.pin],
  async open(gpio, options, clock) {
    const line = await gpio.input({
      pin: options.pin,
      edges: options.edge,
      debounceMs: options.debounce,
      ...(options.pull && { bias: options.pull }),
    });
    return countPulses(line, options.per_pulse, clock);
  },
});

/** Counts from now on, between readings as during them. */
function countPulses(line: InputLine, perPulse: number, clock: Clock): Sensor {
  const stop = new AbortController();
  let pulses = 0;
  let missed = 0;
  let failure: unknown;
  let reported = { pulses, missed, atMs: clock.monotonicMs() };

  async function count(): Promise<void> {
    for await (const edge of line.edges(stop.signal)) {
      pulses++;
      missed += edge.missed;
    }
  }
  const counting = count().catch((error: unknown) => {
    failure = error;
  });

  return {
    async read(): Promise<Measurements> {
      if (failure !== undefined) throw failure;
      const previous = reported;
      reported = { pulses, missed, atMs: clock.monotonicMs() };
      const elapsedMs = reported.atMs - previous.atMs;
      const count = pulses - previous.pulses;
      return {
        count,
        total: pulses * perPulse,
        ...(elapsedMs > 0 && { rate: (count * perPulse * MINUTE_MS) / elapsedMs }),
        ...(missed > previous.missed && { missed: missed - previous.missed }),
      };
    },
    async close() {
      stop.abort();
      await counting;
      await line.close();
    },
  };
}

function decimals(value: number): number {
  let places = 0;
  while (places < MAX_PRECISION && Number(value.toFixed(places)) !== value) places++;
  return places;
}
