import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../src/device/random.ts";
import { backoffMs } from "../../../src/mqtt/session/backoff.ts";

describe("the back-off", () => {
  const bounds = fc
    .tuple(fc.integer({ min: 10, max: 10_000 }), fc.integer({ min: 0, max: 600_000 }))
    .map(([minMs, more]) => ({ minMs, maxMs: minMs + more }));

  test("stays within its bounds", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), bounds, fc.integer(), (failures, within, seed) => {
        const waitMs = backoffMs(failures, within, seededRandom(seed));
        expect(waitMs).toBeGreaterThanOrEqual(within.minMs);
        expect(waitMs).toBeLessThanOrEqual(within.maxMs);
      }),
    );
  });

  test("doubles its ceiling with each failure until the maximum", () => {
    const ceilings = [1, 2, 3, 4, 5, 6, 7, 8].map((failures) =>
      backoffMs(failures, { minMs: 1_000, maxMs: 120_000 }, () => 1),
    );
    expect(ceilings).toEqual([2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 120_000, 120_000]);
  });

  test("is spread over all of its range, the first wait too", () => {
    for (const failures of [1, 5, 20]) {
      const random = seededRandom(failures);
      const waitsMs = Array.from({ length: 4_000 }, () =>
        backoffMs(failures, { minMs: 1_000, maxMs: 120_000 }, random),
      );
      const ceilingMs = Math.min(120_000, 1_000 * 2 ** failures);
      const inQuarter = [0, 0, 0, 0];
      for (const waitMs of waitsMs) inQuarter[Math.floor((4 * (waitMs - 1_000)) / (ceilingMs - 1_000))]!++;
      for (const count of inQuarter) expect(Math.abs(count - 1_000)).toBeLessThan(150);
    }
  });
});
