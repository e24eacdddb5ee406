import fc from "fast-check";
import { expect, test } from "vitest";
import { howMany, SEED } from "../exhaustive.ts";
import { RuleEnd, rule, temperature } from "./rule-end.ts";

const MINUTE = 60_000;
const OVERRIDE_MS = 20 * MINUTE;
const MAX_ON_MS = 7 * MINUTE;

type Step =
  | { readonly kind: "say"; readonly temperature: number }
  | { readonly kind: "wait"; readonly seconds: number }
  | { readonly kind: "command"; readonly id: "fan" | "heater"; readonly set: "on" | "off" }
  | { readonly kind: "online"; readonly online: boolean }
  | { readonly kind: "refuse"; readonly pin: number; readonly refusing: boolean };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("say" as const), temperature: fc.integer({ min: 0, max: 40 }) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("wait" as const),
      seconds: fc.constantFrom(1, 20, 59, 300, 1_201),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("command" as const),
      id: fc.constantFrom("fan" as const, "heater" as const),
      set: fc.constantFrom("on" as const, "off" as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("online" as const), online: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("refuse" as const),
      pin: fc.constantFrom(5, 6),
      refusing: fc.boolean(),
    }),
  },
);

const cool = rule("cool", temperature({ above: 30, below: 28 }), {
  set: { fan: { set: "on" } },
  otherwise: { fan: { set: "off" } },
  overrideMs: OVERRIDE_MS,
});
const heat = rule("heat", temperature({ below: 10, hysteresis: 25 }), {
  set: { heater: { set: "on" } },
  otherwise: { heater: { set: "off" } },
});

/** A run with everything that may happen; throws where something happened that never may. */
async function play(steps: readonly Step[]): Promise<void> {
  const end = await RuleEnd.start(
    [
      { id: "fan", pin: 5, min_off: "30s", max_on: "7m", interlock: ["heater"] },
      { id: "heater", pin: 6, offline_after: "2m" },
    ],
    [cool, heat],
  );
  let overriddenUntilMs = Number.NEGATIVE_INFINITY;
  let saidMs = Number.NEGATIVE_INFINITY;
  let onSinceMs: number | undefined;
  let refusedMs = Number.NEGATIVE_INFINITY;
  let checked = 0;

  function check(): void {
    const nowMs = end.clock.monotonicMs();
    const loads = [end.relays.loads.get(5), end.relays.loads.get(6)];
    expect(loads, "interlocked loads are never on together").not.toEqual([1, 1]);
    if (end.relays.refusing.size > 0) refusedMs = nowMs;
    const obeys = nowMs > refusedMs + 15_000;
    onSinceMs = loads[0] === 1 && obeys ? (onSinceMs ?? nowMs) : undefined;
    if (onSinceMs !== undefined)
      expect(nowMs - onSinceMs, "max_on holds whatever the rules want").toBeLessThanOrEqual(
        MAX_ON_MS + 1_000,
      );
    for (const { id, cause, at } of end.changes.slice(checked))
      if (id === "fan" && cause === "rule")
        expect(at.monotonicMs, "no rule moves what somebody has commanded").toBeGreaterThanOrEqual(
          overriddenUntilMs,
        );
    checked = end.changes.length;
    const silent = nowMs > saidMs + MINUTE + 10_000 && obeys;
    if (silent && nowMs > overriddenUntilMs && nowMs > MINUTE * 3)
      expect(loads[0], "with a silent sensor the fan is safe").not.toBe(1);
  }

  for (const each of steps) {
    switch (each.kind) {
      case "say":
        saidMs = end.clock.monotonicMs();
        await end.say("air", { temperature: each.temperature });
        break;
      case "wait":
        for (let passed = 0; passed < each.seconds; passed += 20) {
          await end.clock.advance(Math.min(20, each.seconds - passed) * 1_000);
          check();
        }
        break;
      case "command": {
        const atMs = end.clock.monotonicMs();
        const { status } = await end.command(each.id, each.set);
        if (each.id === "fan" && status === "done")
          overriddenUntilMs = Math.max(atMs, overriddenUntilMs, atMs + OVERRIDE_MS);
        break;
      }
      case "online":
        end.inner.setOnline(each.online);
        break;
      case "refuse":
        if (each.refusing) end.relays.refusing.set(each.pin, "stays");
        else end.relays.refusing.delete(each.pin);
    }
    check();
  }
  end.stop();
}

test("whatever is measured, commanded, cut and broken, rules obey guards and commands", async () => {
  let steps = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 60, maxLength: 60 }), async (script) => {
      await play(script);
      steps += script.length;
    }),
    { seed: SEED, numRuns: howMany(40, 120) },
  );
  expect(steps).toBeGreaterThanOrEqual(howMany(2_400, 7_200));
});

test("left alone, the actuator is what the first rule wants", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 20, max: 40 }), { minLength: 5, maxLength: 30 }),
      async (temperatures) => {
        const end = await RuleEnd.start([{ id: "fan", pin: 5, min_off: "5s", min_on: "7s" }], [cool]);
        let wants = false;
        for (const each of temperatures) {
          if (each > 30) wants = true;
          else if (each < 28) wants = false;
          await end.say("air", { temperature: each });
          await end.clock.advance(8_000);
          expect(end.relays.loads.get(5)).toBe(Number(wants));
        }
        end.stop();
      },
    ),
    { seed: SEED, numRuns: howMany(60, 200) },
  );
});
