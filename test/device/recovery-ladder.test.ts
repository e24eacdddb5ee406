import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { I2cFault } from "../../src/device/i2c.ts";
import { createLadder, type Remedy } from "../../src/device/recovery-ladder.ts";

const BOTH: readonly Remedy[] = ["clock_pulses", "power_cycle"];

/** What a ladder does about failures a second apart. */
function climb(fault: I2cFault, times: number, remedies = BOTH) {
  const ladder = createLadder({ remedies });
  return Array.from({ length: times }, (_, second) => ladder.failed(0x76, fault, second * 1_000));
}

describe("the recovery ladder", () => {
  test.each<[string, I2cFault, readonly Remedy[], (Remedy | undefined)[]]>([
    [
      "a held line is clocked, then its chip switched off",
      "stuck",
      BOTH,
      [undefined, "clock_pulses", undefined, undefined, "power_cycle"],
    ],
    [
      "a chip that is not there is only switched off",
      "absent",
      BOTH,
      [undefined, undefined, undefined, undefined, "power_cycle"],
    ],
    [
      "without a switch it is left alone",
      "absent",
      ["clock_pulses"],
      [undefined, undefined, undefined, undefined, undefined],
    ],
    [
      "what a configuration must mend is left alone",
      "owned",
      BOTH,
      [undefined, undefined, undefined, undefined, undefined],
    ],
  ])("%s", (_name, fault, remedies, expected) => {
    expect(climb(fault, 5, remedies)).toEqual(expected);
  });

  test("begins at its foot again after a success", () => {
    const ladder = createLadder({ remedies: BOTH });
    for (let second = 0; second < 4; second++) ladder.failed(0x76, "absent", second * 1_000);
    ladder.succeeded(0x76);
    expect(ladder.failed(0x76, "absent", 5_000)).toBeUndefined();
  });

  test("never switches the power twice within a minute, and ever more rarely where it does not help", () => {
    const fault = fc.constantFrom<I2cFault>("stuck", "timeout", "absent", "io", "short_read", "owned");
    const event = fc.record({
      address: fc.integer({ min: 0x40, max: 0x43 }),
      fault: fc.option(fault, { nil: undefined }),
      afterMs: fc.integer({ min: 1, max: 20_000 }),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 500 }), (events) => {
        const ladder = createLadder({ remedies: BOTH });
        const at: Record<Remedy, number[]> = { clock_pulses: [], power_cycle: [] };
        let nowMs = 0;
        for (const { address, fault, afterMs } of events) {
          nowMs += afterMs;
          if (fault === undefined) ladder.succeeded(address);
          else {
            const remedy = ladder.failed(address, fault, nowMs);
            if (remedy) at[remedy].push(nowMs);
          }
        }
        for (const [remedy, firstMs, mostMs] of [
          ["power_cycle", 60_000, 3_600_000],
          ["clock_pulses", 5_000, 300_000],
        ] as const)
          for (const [nth, time] of at[remedy].slice(1).entries())
            expect(time - at[remedy][nth]!).toBeGreaterThanOrEqual(Math.min(firstMs * 2 ** nth, mostMs));
      }),
    );
  });
});
