import * as v from "valibot";
import { actuatorValue } from "../actuators/settings.ts";
import { duration } from "../schema/duration.ts";
import { settings } from "../schema/settings.ts";
import { UNKNOWN_POLICIES } from "./rule.ts";

const described = <S extends v.GenericSchema>(schema: S, description: string) =>
  v.pipe(schema, v.description(description));

const bound = () => v.pipe(v.number("expected a number"), v.finite());

const TIME = /^([01]\d|2[0-3]):([0-5]\d)$/;

/** A time of day in a configuration: text such as `"22:00"` in, minutes since midnight out. */
function timeOfDay() {
  const expected = 'expected a time of day in quotes, such as "06:30" or "22:00"';
  return v.pipe(
    v.string(expected),
    v.regex(TIME, expected),
    v.transform((text) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3))),
  );
}

export const DAY_NAMES = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;

const lasting = {
  for: v.optional(described(duration(), "True only after it has been so for this long"), "0s"),
};

const SENSOR = described(v.string(), "A sensor's id");

/** The keys of each kind of condition; the first key of each tells which it is. */
export const conditionEntries = {
  reading: {
    sensor: SENSOR,
    field: v.optional(described(v.string(), "One of the sensor's fields; needed where it has several")),
    above: v.optional(described(bound(), "True above this; with a smaller `below`: until below that")),
    below: v.optional(described(bound(), "True below this")),
    hysteresis: v.optional(
      described(v.pipe(bound(), v.minValue(0)), "How far back the value must come to end it"),
      0,
    ),
    is: v.optional(described(v.boolean(), "For a field that is true or false")),
    max_age: v.optional(
      described(
        duration({ minMs: 1_000 }),
        "An older reading says nothing. Default: three intervals, at least a minute",
      ),
    ),
    ...lasting,
  },
  missing: {
    sensor: SENSOR,
    missing: described(v.literal(true, "expected true"), "No reading for three intervals, at least a minute"),
    ...lasting,
  },
  stale: {
    sensor: SENSOR,
    stale: described(duration({ minMs: 1_000 }), "No reading for this long"),
    ...lasting,
  },
  hours: {
    from: described(timeOfDay(), "Local time at which it begins"),
    until: described(timeOfDay(), "Local time at which it ends; not after `from`: the next day"),
    days: v.optional(
      described(
        v.pipe(v.array(v.picklist(DAY_NAMES)), v.nonEmpty("must not be empty")),
        "Days on which it begins. Default: every day",
      ),
    ),
  },
  schedule: {
    schedule: described(v.string(), "A cron expression in local time: minute hour day month weekday"),
    lasts: v.optional(
      described(duration({ minMs: 1_000, maxMs: 86_400_000 }), "For how long it is true"),
      "1m",
    ),
  },
  sun: {
    sun: described(v.picklist(["up", "down"]), "Above the horizon, or below"),
    elevation: v.optional(
      described(v.pipe(bound(), v.minValue(-90), v.maxValue(90)), "Another height than the horizon, degrees"),
      0,
    ),
  },
} as const;

/** Of `all`, `any` and `not`, beside the conditions within. */
export const groupEntries = lasting;

/** What a rule sets one actuator to: a value, or a value for a time. */
export const wishSettings = v.union(
  [actuatorValue(), settings({ set: actuatorValue(), for: v.optional(duration({ minMs: 1 })) })],
  "expected a value such as on, off or a number, or { set: on, for: 30s }",
);

const wishes = v.record(v.string(), wishSettings);

/** The keys of a rule but for `when`. */
export const ruleEntries = {
  id: v.optional(
    described(
      v.pipe(
        v.string(),
        v.regex(
          /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/,
          "expected letters, digits, _ and -, beginning with a letter or digit, at most 64",
        ),
      ),
      "Names the rule in events. Default: rule-1, rule-2 and so on",
    ),
  ),
  set: described(wishes, "What to set while the condition is true: actuators with their values"),
  otherwise: v.optional(described(wishes, "What to set while it is false. Absent: nothing"), {}),
  unknown: v.optional(
    described(
      v.picklist(UNKNOWN_POLICIES),
      "What to do where the condition cannot be told: a sensor is silent, the clock is not set",
    ),
    "safe",
  ),
  override: v.optional(
    described(
      duration({ minMs: 1_000 }),
      "For how long a command keeps rules off these actuators. Absent: until this rule wants something else",
    ),
  ),
};
