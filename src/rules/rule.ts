import type { ActuatorValue } from "../actuators/kind.ts";

/** What a rule waits for. Durations in milliseconds; times of day in minutes since midnight, local time. */
export type Condition =
  | ReadingCondition
  | SilenceCondition
  | HoursCondition
  | ScheduleCondition
  | SunCondition
  | { readonly kind: "all" | "any"; readonly of: readonly Condition[]; readonly forMs: number }
  | { readonly kind: "not"; readonly of: Condition; readonly forMs: number };

/** One field of one sensor against bounds, or against true or false. */
export interface ReadingCondition {
  readonly kind: "reading";
  readonly sensor: string;
  readonly field: string;
  /**
   * `above` alone: beyond it. `below` alone: short of it. Both, `above` the larger: true once beyond `above`, until short
   * of `below`. Both, `above` the smaller: between them.
   */
  readonly above?: number;
  readonly below?: number;
  /** How far back the value must come before a bound counts as left again. */
  readonly hysteresis: number;
  /** What a boolean field must be; absent: a number is looked at. */
  readonly is?: boolean;
  /** A reading that is older says nothing any more. */
  readonly maxAgeMs: number;
  readonly forMs: number;
}

/** A sensor has said nothing for this long. */
export interface SilenceCondition {
  readonly kind: "silence";
  readonly sensor: string;
  readonly ageMs: number;
  readonly forMs: number;
}

/** A stretch of the day by the clock on the wall; over midnight where `until` is not after `from`. */
export interface HoursCondition {
  readonly kind: "hours";
  readonly from: number;
  readonly until: number;
  /** On which it begins, 0 is Sunday; absent: every day. */
  readonly days?: readonly number[];
}

/** A while from each instant of a cron expression. */
export interface ScheduleCondition {
  readonly kind: "schedule";
  readonly cron: string;
  readonly lastsMs: number;
}

/** The sun is above (`up`) or below an elevation, degrees. */
export interface SunCondition {
  readonly kind: "sun";
  readonly up: boolean;
  readonly elevation: number;
}

/** What a rule wants of one actuator. */
export interface Wish {
  readonly set: ActuatorValue;
  /** Ends by itself after this long. */
  readonly forMs?: number;
}

export type Wishes = Readonly<Record<string, Wish>>;

/** What a rule does where its condition cannot be told: a sensor is silent, the clock is not set. */
export const UNKNOWN_POLICIES = ["safe", "keep", "otherwise"] as const;

export interface Rule {
  readonly id: string;
  readonly when: Condition;
  /** The condition for people. */
  readonly words: string;
  readonly set: Wishes;
  readonly otherwise: Wishes;
  readonly unknown: (typeof UNKNOWN_POLICIES)[number];
  /** For how long a command keeps rules off the actuators that this one sets; absent: until the rule's wish changes. */
  readonly overrideMs?: number;
}

/** The conditions that a condition is made of, itself included. */
export function* conditionsIn(condition: Condition): Generator<Condition> {
  yield condition;
  if (condition.kind === "all" || condition.kind === "any")
    for (const each of condition.of) yield* conditionsIn(each);
  if (condition.kind === "not") yield* conditionsIn(condition.of);
}

/** Whether a rule looks at the clock on the wall, and so needs what reads it. */
export function usesWallTime({ when }: Rule): boolean {
  return [...conditionsIn(when)].some(
    ({ kind }) => kind === "hours" || kind === "schedule" || kind === "sun",
  );
}

/** The actuators that a rule ever sets. */
export function actuatorsOf({ set, otherwise }: Rule): readonly string[] {
  return [...new Set([...Object.keys(set), ...Object.keys(otherwise)])];
}

/**
 * The same rule for the members of groups instead of the groups: each has its own safe value and its own override, and
 * meets other rules by itself. What the rule says of a member by name goes before what it says of a group.
 */
export function forMembers(rule: Rule, membersOf: (actuator: string) => readonly string[] | undefined): Rule {
  const spread = (wishes: Wishes): Wishes => {
    const all = Object.entries(wishes);
    const groups = all.filter(([id]) => membersOf(id) !== undefined);
    if (groups.length === 0) return wishes;
    const single = all.filter(([id]) => membersOf(id) === undefined);
    const members = groups.flatMap(([id, wish]) => membersOf(id)!.map((member) => [member, wish] as const));
    return Object.fromEntries([...members, ...single]);
  };
  return { ...rule, set: spread(rule.set), otherwise: spread(rule.otherwise) };
}
