import { describe, expect, test } from "vitest";
import { createCalendar } from "../../src/rules/calendar.ts";
import { RuleEnd, rule, temperature } from "./rule-end.ts";

const FAN = { id: "fan", pin: 5 };
const cool = rule("cool", temperature({ above: 30, below: 28 }), {
  set: { fan: { set: "on" } },
  otherwise: { fan: { set: "off" } },
});
const MINUTE = 60_000;

describe("a rule", () => {
  test("sets its actuator, and sets it back", async () => {
    const end = await RuleEnd.start([FAN], [cool]);
    await end.say("air", { temperature: 31 });
    expect(end.value("fan")).toBe("on");
    await end.say("air", { temperature: 27 });
    expect(end.value("fan")).toBe("off");
    expect(end.changes.slice(1).map(({ state, cause, rule }) => [state, cause, rule])).toEqual([
      ["on", "rule", "cool"],
      ["off", "rule", "cool"],
    ]);
  });

  test("without `otherwise` leaves its actuator as it is when its condition ends", async () => {
    const end = await RuleEnd.start([FAN], [{ ...cool, otherwise: {} }]);
    await end.say("air", { temperature: 31 });
    await end.say("air", { temperature: 20 });
    expect(end.value("fan")).toBe("on");
  });

  test("can set something for a time", async () => {
    const end = await RuleEnd.start([FAN], [{ ...cool, set: { fan: { set: "on", forMs: 5_000 } } }]);
    await end.keepSaying(31, 4_000);
    expect(end.value("fan")).toBe("on");
    await end.keepSaying(31, MINUTE);
    expect(end.value("fan")).toBe("off");
  });
});

describe("a condition that cannot be told", () => {
  test("moves nothing in the first minute", async () => {
    const end = await RuleEnd.start([{ ...FAN, initial: "on", safe: "off" }], [cool]);
    await end.clock.advance(59_000);
    expect(end.value("fan")).toBe("on");
  });

  test("makes safe afterwards", async () => {
    const end = await RuleEnd.start([{ ...FAN, initial: "on", safe: "off" }], [cool]);
    await end.clock.advance(61_000);
    expect(end.value("fan")).toBe("off");
  });

  test.each([
    ["safe", "off"],
    ["keep", "on"],
    ["otherwise", "off"],
  ] as const)("with unknown: %s the actuator is %s", async (unknown, value) => {
    const end = await RuleEnd.start([FAN], [{ ...cool, unknown }]);
    await end.say("air", { temperature: 31 });
    await end.clock.advance(MINUTE + 10);
    expect(end.value("fan")).toBe(value);
  });
});

test("a rule by the clock on the wall is not told while the clock is not set, and acts when it is", async () => {
  const night = rule("night", { kind: "hours", from: 0, until: 60 }, { set: { fan: { set: "on" } } });
  const calendar = createCalendar({ timeZone: "UTC" });
  const end = await RuleEnd.start([FAN], [night], { synced: false, calendar });
  await end.clock.advance(10 * MINUTE);
  expect(end.value("fan")).toBe("off");
  end.clock.setSynced(true);
  await end.clock.advance(MINUTE + 10);
  expect(end.value("fan")).toBe("on");
});

describe("who is heard", () => {
  const frost = rule("frost", temperature({ below: 5 }), { set: { fan: { set: "off" } } });

  test("of several rules: the first that wants anything", async () => {
    const end = await RuleEnd.start(
      [FAN],
      [frost, rule("always", temperature({ below: 100 }), { set: { fan: { set: "on" } } })],
    );
    await end.say("air", { temperature: 20 });
    expect(end.value("fan")).toBe("on");
    await end.say("air", { temperature: 4 });
    expect(end.value("fan")).toBe("off");
    await end.say("air", { temperature: 20 });
    expect(end.value("fan")).toBe("on");
  });

  test("a command before rules: until the rule wants something else", async () => {
    const end = await RuleEnd.start([FAN], [cool]);
    await end.say("air", { temperature: 31 });
    await end.command("fan", "off");
    await end.keepSaying(32, 60 * MINUTE);
    expect(end.value("fan")).toBe("off");
    await end.say("air", { temperature: 27 });
    await end.say("air", { temperature: 31 });
    expect(end.value("fan")).toBe("on");
  });

  test("with `override`: for just that long, whatever the rule wants meanwhile", async () => {
    const end = await RuleEnd.start([FAN], [{ ...cool, overrideMs: 10 * MINUTE }]);
    await end.say("air", { temperature: 31 });
    await end.command("fan", "off");
    await end.say("air", { temperature: 27 });
    await end.keepSaying(31, 9 * MINUTE);
    expect(end.value("fan")).toBe("off");
    await end.keepSaying(31, 2 * MINUTE);
    expect(end.value("fan")).toBe("on");
  });

  test("a command with `for`: for that long; then the rule takes over again", async () => {
    const end = await RuleEnd.start([FAN], [cool]);
    await end.say("air", { temperature: 31 });
    await end.say("air", { temperature: 27 });
    await end.command("fan", "on", MINUTE);
    await end.say("air", { temperature: 31 });
    await end.keepSaying(31, 2 * MINUTE);
    expect(end.value("fan")).toBe("on");
  });

  test("a command that the guard refuses overrides nothing", async () => {
    const end = await RuleEnd.start([{ ...FAN, min_on: "5m" }], [cool]);
    await end.say("air", { temperature: 31 });
    expect(await end.command("fan", "off")).toMatchObject({ status: "rejected" });
    await end.say("air", { temperature: 27 });
    await end.keepSaying(27, 6 * MINUTE);
    expect(end.value("fan")).toBe("off");
  });

  test("a guard before everybody: the rule waits for min_off, and acts as soon as it may", async () => {
    const end = await RuleEnd.start([{ ...FAN, min_off: "5m" }], [cool]);
    await end.keepSaying(31, 4 * MINUTE);
    expect(end.value("fan")).toBe("off");
    await end.keepSaying(31, MINUTE + 10);
    expect(end.value("fan")).toBe("on");
  });

  test("an interlock: the second waits until the first is off", async () => {
    const heat = rule("heat", temperature({ above: 0 }), { set: { heater: { set: "on" } } });
    const end = await RuleEnd.start([FAN, { id: "heater", pin: 6, interlock: ["fan"] }], [cool, heat]);
    await end.keepSaying(31, MINUTE);
    expect([end.value("fan"), end.value("heater")]).toEqual(["on", "off"]);
    await end.keepSaying(27, MINUTE);
    expect([end.value("fan"), end.value("heater")]).toEqual(["off", "on"]);
  });

  test("max_on: what it switched off stays off until the rule has wanted something else", async () => {
    const end = await RuleEnd.start([{ ...FAN, max_on: "10m" }], [cool]);
    await end.keepSaying(31, 60 * MINUTE);
    expect(end.value("fan")).toBe("off");
    expect(end.changes.filter(({ state }) => state === "on")).toHaveLength(1);
    await end.say("air", { temperature: 27 });
    await end.say("air", { temperature: 31 });
    expect(end.value("fan")).toBe("on");
  });

  test("the fail-safe: what it took away the rule takes up again when the broker is back", async () => {
    const end = await RuleEnd.start([{ ...FAN, offline_after: "1m" }], [cool]);
    await end.say("air", { temperature: 31 });
    end.inner.setOnline(false);
    await end.keepSaying(31, 10 * MINUTE);
    expect(end.value("fan")).toBe("off");
    end.inner.setOnline(true);
    await end.keepSaying(31, 10_000);
    expect(end.value("fan")).toBe("on");
  });

  test("an output that does not obey: asked again until it does", async () => {
    const end = await RuleEnd.start([FAN], [cool]);
    end.relays.refusing.set(5, "stays");
    await end.keepSaying(31, MINUTE);
    expect(end.value("fan")).toBeUndefined();
    end.relays.refusing.delete(5);
    await end.keepSaying(31, MINUTE);
    expect(end.value("fan")).toBe("on");
  });
});

describe("a rule for a group", () => {
  const HEATER = { id: "heater", pin: 6, safe: "on", initial: "off" };
  const groups = [{ id: "both", members: ["fan", "heater"] }];
  const whole = rule("whole", temperature({ above: 30, below: 28 }), {
    set: { both: { set: "on" } },
    otherwise: { both: { set: "off" } },
  });

  test("makes each member safe in its own way when its sensor falls silent", async () => {
    const end = await RuleEnd.start([FAN, HEATER], [whole], { groups });
    await end.say("air", { temperature: 20 });
    await end.say("air", { temperature: 31 });
    expect([end.value("fan"), end.value("heater")]).toEqual(["on", "on"]);
    await end.clock.advance(5 * MINUTE);
    expect([end.value("fan"), end.value("heater")]).toEqual(["off", "on"]);
  });

  test("keeps off a member that somebody commands, and off all where the group is commanded", async () => {
    const end = await RuleEnd.start([FAN, HEATER], [{ ...whole, overrideMs: 10 * MINUTE }], { groups });
    await end.say("air", { temperature: 31 });
    await end.command("fan", "off");
    await end.say("air", { temperature: 27 });
    await end.say("air", { temperature: 31 });
    expect([end.value("fan"), end.value("heater")]).toEqual(["off", "on"]);
    await end.command("both", "off");
    await end.say("air", { temperature: 27 });
    await end.say("air", { temperature: 31 });
    expect([end.value("fan"), end.value("heater")]).toEqual(["off", "off"]);
    await end.keepSaying(31, 11 * MINUTE);
    expect([end.value("fan"), end.value("heater")]).toEqual(["on", "on"]);
  });

  test("gives way to one for a member that stands before it", async () => {
    const first = rule("first", temperature({ above: 40 }), { set: { fan: { set: "off" } } });
    const end = await RuleEnd.start([FAN, HEATER], [first, whole], { groups });
    await end.say("air", { temperature: 41 });
    expect([end.value("fan"), end.value("heater")]).toEqual(["off", "on"]);
  });
});
