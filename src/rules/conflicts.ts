import type { ActuatorValue } from "../actuators/kind.ts";
import type { Condition, HoursCondition, ReadingCondition, Rule } from "./rule.ts";

/** Two rules, or a rule and a guard, that may want what cannot be had together. */
export interface Conflict {
  /** Where to look: the index of the later rule. */
  readonly rule: number;
  readonly side: "set" | "otherwise";
  readonly actuator: string;
  readonly message: string;
}

export interface ConflictContext {
  isOn(actuator: string, value: ActuatorValue): boolean;
  interlocked(one: string, other: string): boolean;
}

/** One side of one rule, and when it speaks. */
interface Side {
  readonly at: number;
  readonly rule: Rule;
  readonly side: "set" | "otherwise";
  readonly when: Condition;
}

/** Pairs that may meet. Where it cannot be told whether two conditions exclude each other, they are taken to meet. */
export function conflictsAmong(rules: readonly Rule[], context: ConflictContext): readonly Conflict[] {
  const sides = rules.flatMap((rule, at): Side[] => [
    { at, rule, side: "set", when: rule.when },
    { at, rule, side: "otherwise", when: { kind: "not", of: rule.when, forMs: 0 } },
  ]);
  const conflicts: Conflict[] = [];
  const said = new Set<string>();
  const say = ({ at, side }: Side, actuator: string, key: string, message: string) => {
    if (!said.has(key)) conflicts.push({ rule: at, side, actuator, message });
    said.add(key);
  };
  for (const [index, later] of sides.entries()) {
    for (const actuator of Object.keys(later.rule[later.side])) {
      const silencer = rules.findIndex(
        ({ set, otherwise }, at) => at < later.at && actuator in set && actuator in otherwise,
      );
      if (silencer >= 0) {
        const { id } = rules[silencer]!;
        const message = `never heard: the rule "${id}" stands before this one and always wants something of ${actuator}`;
        say(later, actuator, `${later.at} ${actuator}`, message);
        continue;
      }
      for (const earlier of sides.slice(0, index + 1)) meet(earlier, later, actuator);
    }
  }
  return conflicts;

  function meet(earlier: Side, later: Side, actuator: string): void {
    if (earlier.at === later.at && earlier.side !== later.side) return;
    if (earlier.at !== later.at && !mayMeet(earlier.when, later.when)) return;
    const { id } = earlier.rule;
    const wish = later.rule[later.side][actuator]!;
    const other = earlier.rule[earlier.side][actuator];
    if (earlier.at !== later.at && other && other.set !== wish.set)
      say(
        later,
        actuator,
        `${earlier.at} ${later.at} ${actuator}`,
        `the rule "${id}" may want ${other.set} of ${actuator} at the same time; it stands first, so it is heard`,
      );
    if (!context.isOn(actuator, wish.set)) return;
    for (const [locked, { set }] of Object.entries(earlier.rule[earlier.side])) {
      if (locked === actuator || !context.isOn(locked, set) || !context.interlocked(actuator, locked))
        continue;
      const pair = [actuator, locked].sort().join(" ");
      const who = earlier.at === later.at ? "this rule" : `the rule "${id}"`;
      say(
        later,
        actuator,
        `interlock ${earlier.at} ${later.at} ${pair}`,
        `${actuator} and ${locked} are interlocked, and ${who} may want ${locked} on at the same time: the second has to wait`,
      );
    }
  }
}

/** Whether two conditions could be true at once. */
export function mayMeet(one: Condition, other: Condition): boolean {
  if (one.kind === "all") return one.of.every((each) => mayMeet(each, other));
  if (one.kind === "any") return one.of.some((each) => mayMeet(each, other));
  if (other.kind === "all" || other.kind === "any") return mayMeet(other, one);
  if (one.kind === "not") return !same(one.of, other);
  if (other.kind === "not") return !same(other.of, one);
  if (one.kind === "reading" && other.kind === "reading") return readingsMayMeet(one, other);
  if (one.kind === "hours" && other.kind === "hours") return hoursMayMeet(one, other);
  return true;
}

function same(one: Condition, other: Condition): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function readingsMayMeet(one: ReadingCondition, other: ReadingCondition): boolean {
  if (one.sensor !== other.sensor || one.field !== other.field) return true;
  if (one.is !== undefined || other.is !== undefined) return one.is === other.is;
  const [low, high] = rangeOf(one);
  const [otherLow, otherHigh] = rangeOf(other);
  return low < otherHigh && otherLow < high;
}

/** The values with which it can be true. */
function rangeOf({ above, below, hysteresis }: ReadingCondition): readonly [number, number] {
  if (above !== undefined && below !== undefined && above > below) return [below, Number.POSITIVE_INFINITY];
  return [
    above === undefined ? Number.NEGATIVE_INFINITY : above - hysteresis,
    below === undefined ? Number.POSITIVE_INFINITY : below + hysteresis,
  ];
}

const MINUTES_PER_DAY = 1_440;
const MINUTES_PER_WEEK = 7 * MINUTES_PER_DAY;

function hoursMayMeet(one: HoursCondition, other: HoursCondition): boolean {
  return stretches(one).some(([from, until]) =>
    stretches(other).some(([otherFrom, otherUntil]) =>
      [-MINUTES_PER_WEEK, 0, MINUTES_PER_WEEK].some(
        (shift) => from + shift < otherUntil && otherFrom < until + shift,
      ),
    ),
  );
}

/** Minutes of a week. */
function stretches({
  from,
  until,
  days = [0, 1, 2, 3, 4, 5, 6],
}: HoursCondition): readonly (readonly [number, number])[] {
  const length = until > from ? until - from : until - from + MINUTES_PER_DAY;
  return days.map((day) => [day * MINUTES_PER_DAY + from, day * MINUTES_PER_DAY + from + length] as const);
}
