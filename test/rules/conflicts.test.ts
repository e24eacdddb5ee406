import { describe, expect, test } from "vitest";
import { conflictsAmong, mayMeet } from "../../src/rules/conflicts.ts";
import type { Condition, Rule } from "../../src/rules/rule.ts";
import { rule, temperature } from "./rule-end.ts";

const warnings = (rules: readonly Rule[]) =>
  conflictsAmong(rules, {
    isOn: (_id, value) => value === "on",
    interlocked: (one, other) => [one, other].sort().join() === "fan,heater",
  }).map(({ rule, side, actuator, message }) => `${rule}.${side}.${actuator}: ${message}`);

const fan = (set: "on" | "off") => ({ fan: { set } });
const heater = { heater: { set: "on" } } as const;
const hot = temperature({ above: 30 });
const cold = temperature({ below: 10 });
const hours = (from: number, until: number, days?: readonly number[]): Condition => ({
  kind: "hours",
  from: from * 60,
  until: until * 60,
  ...(days && { days }),
});

describe("warnings", () => {
  test("say which of two rules is heard where they may want different things of one actuator", () => {
    const rules = [rule("a", hot, { set: fan("on") }), rule("b", hours(6, 8), { set: fan("off") })];
    expect(warnings(rules)).toEqual([
      '1.set.fan: the rule "a" may want on of fan at the same time; it stands first, so it is heard',
    ]);
  });

  test("do not come where both want the same, or can never meet", () => {
    expect(
      warnings([rule("a", hot, { set: fan("on") }), rule("b", hours(6, 8), { set: fan("on") })]),
    ).toEqual([]);
    expect(warnings([rule("a", hot, { set: fan("on") }), rule("b", cold, { set: fan("off") })])).toEqual([]);
  });

  test("name a rule that is never heard", () => {
    const rules = [
      rule("a", hot, { set: fan("on"), otherwise: fan("off") }),
      rule("b", hours(6, 8), { set: fan("on") }),
    ];
    expect(warnings(rules)).toEqual([
      '1.set.fan: never heard: the rule "a" stands before this one and always wants something of fan',
    ]);
  });

  test("name a rule against an interlock, its own or another rule's", () => {
    expect(warnings([rule("a", hot, { set: { ...fan("on"), ...heater } })])).toHaveLength(1);
    expect(warnings([rule("a", hot, { set: fan("on") }), rule("b", hours(6, 8), { set: heater })])).toEqual([
      '1.set.heater: heater and fan are interlocked, and the rule "a" may want fan on at the same time: the second has to wait',
    ]);
    expect(warnings([rule("a", hot, { set: fan("on") }), rule("b", cold, { set: heater })])).toEqual([]);
  });
});

describe("two conditions can meet", () => {
  const all = (...of: Condition[]): Condition => ({ kind: "all", of, forMs: 0 });
  const any = (...of: Condition[]): Condition => ({ kind: "any", of, forMs: 0 });
  const not = (of: Condition): Condition => ({ kind: "not", of, forMs: 0 });
  const door = (is: boolean) => ({ ...temperature({ field: "active" }), is });

  test.each<[string, Condition, Condition, boolean]>([
    ["bounds apart", hot, cold, false],
    ["bounds that overlap", hot, temperature({ below: 40 }), true],
    ["hysteresis that reaches over", temperature({ above: 30, below: 5 }), cold, true],
    ["a band beside", temperature({ above: 10, below: 20 }), temperature({ above: 20, below: 30 }), false],
    ["another field", hot, temperature({ field: "humidity", below: 10 }), true],
    ["open and closed", door(true), door(false), false],
    ["a condition and its opposite", hot, not(hot), false],
    ["within all", all(hot, door(true)), cold, false],
    ["within any", any(hot, cold), cold, true],
    ["hours apart", hours(6, 8), hours(8, 9), false],
    ["hours over midnight", hours(22, 6), hours(5, 7), true],
    ["hours of other days", hours(6, 8, [1]), hours(6, 8, [2]), false],
    ["hours of Saturday night and Sunday morning", hours(22, 6, [6]), hours(5, 7, [0]), true],
    ["a sensor and the time", hot, hours(6, 8), true],
  ])("%s: %#", (_name, one, other, expected) => {
    expect(mayMeet(one, other)).toBe(expected);
    expect(mayMeet(other, one)).toBe(expected);
  });
});
