import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../src/device/random.ts";
import { backoffMs } from "../../src/sensors/backoff.ts";
import { createSchedule } from "../../src/sensors/schedule.ts";

const steady = { startMs: 500, intervalMs: 1_000, jitterMs: 0, random: () => 0 };

describe("a schedule", () => {
  test("has its first slot at the start, without jitter", () => {
    const schedule = createSchedule({ ...steady, jitterMs: 400, random: () => 0.5 });
    expect(schedule.slot()).toEqual({ gridMs: 500, dueMs: 500 });
  });

  test("goes on from slot to slot while samples are quick", () => {
    const schedule = createSchedule(steady);
    schedule.next(520);
    expect(schedule.slot().dueMs).toBe(1_500);
    schedule.next(1_501);
    expect(schedule.slot().dueMs).toBe(2_500);
    expect(schedule.skipped()).toBe(0);
  });

  test("skips and counts the slots that a slow sample ran over, and keeps its grid", () => {
    const schedule = createSchedule(steady);
    schedule.next(3_700);
    expect(schedule.slot().dueMs).toBe(4_500);
    expect(schedule.skipped()).toBe(3);
  });

  test("takes a slot that a sample has just reached", () => {
    const schedule = createSchedule(steady);
    schedule.next(1_500 + 1e-9);
    expect(schedule.slot().dueMs).toBe(1_500);
    expect(schedule.skipped()).toBe(0);
  });

  test("keeps a slot whose jitter has not run out", () => {
    const schedule = createSchedule({ ...steady, jitterMs: 1_000, random: () => 0.9 });
    schedule.next(1_600);
    expect(schedule.slot()).toEqual({ gridMs: 1_500, dueMs: 2_400 });
    expect(schedule.skipped()).toBe(0);
  });

  test("stays within its jitter, never goes back, and accounts for every slot", () => {
    fc.assert(
      fc.property(
        fc.record({
          startMs: fc.double({ min: 0, max: 1e9, noNaN: true }),
          intervalMs: fc.integer({ min: 50, max: 3_600_000 }),
          jitterShare: fc.double({ min: 0, max: 2, noNaN: true }),
          seed: fc.integer(),
        }),
        fc.array(fc.double({ min: 0, max: 5, noNaN: true }), { maxLength: 50 }),
        ({ startMs, intervalMs, jitterShare, seed }, workShares) => {
          const jitterMs = Math.round(jitterShare * intervalMs);
          const schedule = createSchedule({ startMs, intervalMs, jitterMs, random: seededRandom(seed) });
          for (const [taken, share] of workShares.entries()) {
            const before = schedule.slot();
            const nowMs = before.dueMs + share * intervalMs;
            schedule.next(nowMs);
            const { gridMs, dueMs } = schedule.slot();
            const index = Math.round((gridMs - startMs) / intervalMs);
            expect(gridMs).toBe(startMs + index * intervalMs);
            expect(dueMs).toBeGreaterThanOrEqual(gridMs);
            expect(dueMs - gridMs).toBeLessThanOrEqual(Math.min(jitterMs, intervalMs) + 1e-6);
            expect(dueMs).toBeGreaterThanOrEqual(nowMs - 0.01);
            expect(dueMs).toBeGreaterThan(before.dueMs - 0.01);
            expect(index).toBe(taken + 1 + schedule.skipped());
          }
        },
      ),
    );
  });
});

describe("the wait after failures", () => {
  const limits = { firstMs: 1_000, maxMs: 300_000 };

  test("doubles up to its limit", () => {
    const waits = [1, 2, 3, 4, 9, 10, 5_000].map((failures) => backoffMs(failures, limits, () => 0));
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 256_000, 300_000, 300_000]);
  });

  test("is at most a fifth shorter by chance", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.integer(), (failures, seed) => {
        const wholeMs = backoffMs(failures, limits, () => 0);
        const waitMs = backoffMs(failures, limits, seededRandom(seed));
        expect(waitMs).toBeLessThanOrEqual(wholeMs);
        expect(waitMs).toBeGreaterThan(0.8 * wholeMs - 1e-6);
      }),
    );
  });
});
