import * as v from "valibot";
import { duration } from "../../schema/duration.ts";
import { settings } from "../../schema/settings.ts";

/** What can be wrong with a sensor on each kind of wire. See the simulated buses for what each one does. */
export const FAULTS = {
  i2c: [
    "no_ack",
    "timeout",
    "stuck",
    "bad_crc",
    "short_read",
    "hang",
    "stuck_until_clocked",
    "hung_until_power_cycle",
  ],
  spi: ["all_ones", "all_zeros", "failed", "hang"],
  serial: ["silent", "bad_crc", "short_read", "absent"],
  one_wire: ["crc", "absent", "power_on", "shorted"],
  kernel: ["absent", "failed", "empty"],
  gpio: ["stuck_low", "stuck_high"],
} as const;

const finite = v.pipe(v.number(), v.finite());

const behaviour = settings({
  mean: finite,
  /** Amplitude of a sine around the mean. */
  swing: v.optional(finite),
  /** Of the sine; default: a day. */
  period: v.optional(duration({ minMs: 1 })),
  /** Largest deviation of smooth noise. */
  noise: v.optional(v.pipe(finite, v.minValue(0))),
});

const fault = v.pipe(
  settings({
    /** The id of the sensor that it strikes. */
    sensor: v.string(),
    fault: v.picklist([...new Set(Object.values(FAULTS).flat())]),
    /** From the start to the first strike. */
    after: v.optional(duration(), "0s"),
    /** How long it lasts; absent: for good. */
    for: v.optional(duration({ minMs: 1 })),
    /** From strike to strike; absent: once. */
    every: v.optional(duration({ minMs: 1 })),
  }),
  v.check(
    ({ for: lastsMs, every: everyMs }) =>
      everyMs === undefined || (lastsMs !== undefined && lastsMs < everyMs),
    "a fault that comes back `every` so often needs a shorter `for`",
  ),
);

const outage = v.pipe(
  settings({
    /** From the start to the first one. */
    after: duration(),
    for: duration({ minMs: 1 }),
    /** From one to the next; absent: once. */
    every: v.optional(duration({ minMs: 1 })),
  }),
  v.check(
    ({ for: lastsMs, every: everyMs }) => everyMs === undefined || lastsMs < everyMs,
    "an outage that comes back `every` so often needs a shorter `for`",
  ),
);

/** The `simulation:` block of a configuration. */
export const simulationSettings = settings({
  /** The same seed gives the same world, the same noise and the same mishaps. */
  seed: v.optional(v.pipe(v.number(), v.safeInteger()), 1),
  /** By `<sensor id>.<quantity>` or, for every sensor, by `<quantity>`. */
  world: v.optional(
    v.record(v.string(), v.union([finite, behaviour], "expected a number or { mean, swing, period, noise }")),
    {},
  ),
  faults: v.optional(v.array(fault), []),
  /** Times without a broker, for `fieldpost simulate`. */
  outages: v.optional(v.array(outage), []),
});

export type SimulationSettings = v.InferOutput<typeof simulationSettings>;
export type FaultSettings = v.InferOutput<typeof fault>;
export type FaultName = FaultSettings["fault"];
