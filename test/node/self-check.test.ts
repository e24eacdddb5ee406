import { expect, test } from "vitest";
import { selfCheck } from "../../src/node/self-check.ts";

const sampler = (turnDueMs: number | undefined) => ({
  status: () => ({
    state: "failing" as const,
    samples: 0,
    errors: { absent: 9 },
    lastError: "no chip",
    lastSample: undefined,
    retries: 0,
    reinitialisations: 0,
    missedEdges: undefined,
    skippedSlots: 0,
    turnDueMs,
  }),
});

const check = (
  nowMs: number,
  turnDueMs: number | undefined,
  session = { connected: true, attemptDueMs: 0 },
) =>
  selfCheck({
    clock: { monotonicMs: () => nowMs },
    samplers: new Map([["air", sampler(turnDueMs)]]),
    session: () => session,
  });

test.each([
  ["a sensor whose turn is under way", 1_000_000, 999_000, undefined],
  ["a sensor that is not due for days", 1_000_000, 900_000_000, undefined],
  ["a sensor that has not begun", 1_000_000, undefined, undefined],
  ["a sensor whose turn never ended", 1_000_000, 1_000_000 - 121_000, "sensor air is not read any more"],
])("%s", (_, nowMs, turnDueMs, finding) => {
  expect(check(nowMs, turnDueMs)).toBe(finding);
});

test("a broker that is away is nothing to restart for, as long as it is tried", () => {
  expect(check(1_000_000, undefined, { connected: false, attemptDueMs: 1_060_000 })).toBeUndefined();
  expect(check(1_000_000, undefined, { connected: false, attemptDueMs: 970_000 })).toBeUndefined();
});

test("an attempt at the broker that never ends is told", () => {
  expect(check(1_000_000, undefined, { connected: false, attemptDueMs: 800_000 })).toBe(
    "the broker is not tried any more",
  );
});

test("a link that lasts is no attempt that never ends", () => {
  expect(check(90_000_000, undefined, { connected: true, attemptDueMs: 0 })).toBeUndefined();
});
