import type { Condition, ReadingCondition } from "./rule.ts";

/** True, false, or undefined: nobody can tell. Combined as in Kleene's logic. */
export type Truth = boolean | undefined;

/** What a condition remembers from one evaluation to the next. */
export interface Memory {
  /** Hysteresis: on which side of its bounds the value was last. */
  readonly latched?: boolean;
  /** Since when it has been true without interruption, monotonic milliseconds. */
  readonly sinceMs?: number;
  readonly within?: readonly Memory[];
}

export const FRESH: Memory = {};

export interface LatestValue {
  readonly value: number | boolean;
  /** Monotonic. */
  readonly atMs: number;
}

export type TimeCondition = Extract<Condition, { readonly kind: "hours" | "schedule" | "sun" }>;

/** Answers what depends on the calendar. `untilMs`: the answer holds until then, by the wall clock. */
export interface Calendar {
  holds(condition: TimeCondition, wallMs: number): { readonly truth: boolean; readonly untilMs: number };
}

/** All that a condition may depend on. */
export interface Facts {
  /** Monotonic milliseconds. */
  readonly nowMs: number;
  /** Since when somebody has been listening to the sensors, monotonic milliseconds. */
  readonly startedMs: number;
  /** The system clock; undefined while it has not been set. */
  readonly wallMs: number | undefined;
  readonly calendar: Calendar | undefined;
  value(sensor: string, field: string): LatestValue | undefined;
  /** When a sensor last said anything, monotonic milliseconds. */
  lastSaidMs(sensor: string): number | undefined;
}

export interface Verdict {
  readonly truth: Truth;
  readonly memory: Memory;
  /** When it is to be looked at again although nothing has been said; Infinity: never. Monotonic milliseconds. */
  readonly dueMs: number;
}

/** How soon a condition looks again whether the clock has been set, and at the longest whether it has been stepped. */
const CLOCK_LOOK_MS = 60_000;

/** Pure: the same condition, memory and facts give the same verdict. */
export function evaluate(condition: Condition, memory: Memory, facts: Facts): Verdict {
  const verdict = raw(condition, memory, facts);
  const forMs = "forMs" in condition ? condition.forMs : 0;
  if (forMs === 0) return verdict;
  if (verdict.truth !== true) return verdict;
  const sinceMs = memory.sinceMs ?? facts.nowMs;
  const doneMs = sinceMs + forMs;
  const lasted = facts.nowMs >= doneMs;
  return {
    truth: lasted,
    memory: { ...verdict.memory, sinceMs },
    dueMs: lasted ? verdict.dueMs : Math.min(verdict.dueMs, doneMs),
  };
}

function raw(condition: Condition, memory: Memory, facts: Facts): Verdict {
  switch (condition.kind) {
    case "reading":
      return reading(condition, memory, facts);
    case "silence": {
      const sinceMs = facts.lastSaidMs(condition.sensor) ?? facts.startedMs;
      const dueMs = sinceMs + condition.ageMs;
      const truth = facts.nowMs >= dueMs;
      return { truth, memory: FRESH, dueMs: truth ? Number.POSITIVE_INFINITY : dueMs };
    }
    case "all":
    case "any":
      return group(condition, memory, facts);
    case "not": {
      const inner = evaluate(condition.of, memory.within?.[0] ?? FRESH, facts);
      const truth = inner.truth === undefined ? undefined : !inner.truth;
      return { ...inner, truth, memory: { within: [inner.memory] } };
    }
    default:
      return byCalendar(condition, facts);
  }
}

function group(
  { kind, of }: Extract<Condition, { readonly kind: "all" | "any" }>,
  memory: Memory,
  facts: Facts,
): Verdict {
  const verdicts = of.map((each, at) => evaluate(each, memory.within?.[at] ?? FRESH, facts));
  const truths = verdicts.map(({ truth }) => truth);
  const decisive = kind === "any";
  const truth = truths.includes(decisive) ? decisive : truths.includes(undefined) ? undefined : !decisive;
  return {
    truth,
    memory: { within: verdicts.map(({ memory }) => memory) },
    dueMs: Math.min(...verdicts.map(({ dueMs }) => dueMs)),
  };
}

function byCalendar(condition: TimeCondition, { nowMs, wallMs, calendar }: Facts): Verdict {
  if (wallMs === undefined || !calendar)
    return { truth: undefined, memory: FRESH, dueMs: nowMs + CLOCK_LOOK_MS };
  const { truth, untilMs } = calendar.holds(condition, wallMs);
  // Looked at again within the minute even so: somebody may have stepped the clock.
  return { truth, memory: FRESH, dueMs: nowMs + Math.min(Math.max(1, untilMs - wallMs), CLOCK_LOOK_MS) };
}

function reading(condition: ReadingCondition, memory: Memory, { nowMs, value }: Facts): Verdict {
  const latest = value(condition.sensor, condition.field);
  const latched = memory.latched ?? false;
  const staleMs = (latest?.atMs ?? Number.NEGATIVE_INFINITY) + condition.maxAgeMs;
  if (!latest || nowMs > staleMs)
    return { truth: undefined, memory: { latched }, dueMs: Number.POSITIVE_INFINITY };
  const truth = compare(condition, latest.value, latched);
  return { truth, memory: { latched: truth }, dueMs: staleMs + 1 };
}

function compare(
  { above, below, hysteresis, is }: ReadingCondition,
  value: number | boolean,
  latched: boolean,
): boolean {
  if (is !== undefined) return Boolean(value) === is;
  const number = Number(value);
  const slack = latched ? hysteresis : 0;
  const beyond = above === undefined || number > above - slack;
  const short = below === undefined || number < below + slack;
  if (above !== undefined && below !== undefined && above >= below)
    return latched ? number >= below : number > above;
  return beyond && short;
}
