import fc from "fast-check";
import { expect, test } from "vitest";
import type { Outcome } from "../../src/actuators/guard.ts";
import {
  answered,
  awake,
  type Control,
  commanded,
  dueMs,
  IDLE,
  moved,
  type OwnedWish,
  wished,
} from "../../src/rules/control.ts";

const wishes: readonly (OwnedWish | undefined)[] = [
  undefined,
  { rule: "a", set: "on" },
  { rule: "a", set: "off" },
  { rule: "b", set: "on", forMs: 5_000 },
];
const outcomes: readonly Outcome[] = [
  { status: "done", state: "on" },
  { status: "rejected", state: "off", refusal: "min_off", allowedInMs: 30_000 },
  { status: "rejected", state: "off", refusal: "interlock" },
  { status: "rejected", state: "off", refusal: "value" },
  { status: "failed", state: undefined, error: "EIO" },
];

type Step = readonly [
  kind: "wish" | "answer" | "command" | "timer" | "failsafe" | "interlock" | "pass",
  choice: number,
  afterMs: number,
];

const step: fc.Arbitrary<Step> = fc.tuple(
  fc.constantFrom("wish", "wish", "answer", "answer", "command", "timer", "failsafe", "interlock", "pass"),
  fc.nat(100),
  fc.constantFrom(0, 1, 5_000, 30_000, 600_000),
) as fc.Arbitrary<Step>;

/**
 * The rules' part in one actuator, written down once more as plainly as possible: a wish is owed from when it becomes one
 * until it is granted, given up, or commanded away; what safety took is owed again, what a timer ended is not.
 */
test("a wish is owed exactly while it should be, and never asked for during an override", () => {
  let steps = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 100, maxLength: 100 }), (script) => {
      let control: Control = IDLE;
      let nowMs = 0;
      let owed = false;
      let overrideEndMs: number | undefined;
      let asked: OwnedWish | undefined;
      for (const [kind, choice, afterMs] of script) {
        steps++;
        nowMs += afterMs;
        control = awake(control, nowMs);
        if (overrideEndMs !== undefined && nowMs >= overrideEndMs) {
          overrideEndMs = undefined;
          owed = control.wish !== undefined;
        }
        if (kind === "wish") {
          const wish = wishes[choice % wishes.length];
          if (wish !== control.wish) owed = wish !== undefined;
          control = wished(control, wish);
        } else if (kind === "answer") {
          const due = dueMs(control) <= nowMs && control.pending;
          if (due) asked = control.wish;
          expect(due && overrideEndMs !== undefined).toBe(false);
          const outcome = outcomes[choice % outcomes.length]!;
          if (asked) {
            if (asked === control.wish) owed = outcome.status !== "done" && outcome.refusal !== "value";
            control = answered(control, asked, outcome, nowMs);
          }
          asked = undefined;
        } else if (kind === "command") {
          const lastsMs = choice % 2 === 0 ? undefined : 60_000;
          control = commanded(control, lastsMs, nowMs);
          owed = false;
          overrideEndMs = lastsMs === undefined ? undefined : nowMs + lastsMs;
        } else if (kind !== "pass") {
          control = moved(control, kind, nowMs);
          if (kind !== "timer") owed = control.wish !== undefined;
        }
        expect(control.pending, `${kind} at ${nowMs}`).toBe(owed);
        if (overrideEndMs !== undefined) expect(dueMs(control)).toBe(overrideEndMs);
      }
    }),
    { numRuns: 1_000 },
  );
  expect(steps).toBe(100_000);
});
