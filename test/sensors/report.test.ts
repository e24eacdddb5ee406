import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import type { Measurements } from "../../src/sensors/driver.ts";
import { createReporter, reportSettings } from "../../src/sensors/report.ts";

const INTERVAL_MS = 10_000;

/** Which of the readings, one each 10 s, go out. */
function sent(config: unknown, readings: readonly Measurements[]): number[] {
  const reporter = createReporter(config === undefined ? undefined : v.parse(reportSettings, config));
  return readings.flatMap((reading, index) =>
    reporter.offer(reading, index * INTERVAL_MS, false) ? [index] : [],
  );
}

const temperatures = (...values: number[]) => values.map((temperature) => ({ temperature }));

describe("report by exception", () => {
  test("sends every reading where nothing is configured", () => {
    expect(sent(undefined, temperatures(1, 1, 1))).toEqual([0, 1, 2]);
  });

  test("sends the first reading, and then those that have moved by their delta since the last one sent", () => {
    expect(sent({ delta: { temperature: 0.5 } }, temperatures(20, 20.2, 20.4, 20.6, 20.2, 20.1))).toEqual([
      0, 3, 5,
    ]);
  });

  test("is not fooled by binary fractions: 0.3 is 0.1 away from 0.2", () => {
    expect(sent({ delta: { temperature: 0.1 } }, temperatures(0.2, 0.3, 0.4, 0.5))).toEqual([0, 1, 2, 3]);
    expect(sent({ delta: { temperature: 0.1 } }, temperatures(1013.2, 1013.3, 1013.4))).toEqual([0, 1, 2]);
  });

  test("sends any change, and nothing else, with a delta of 0", () => {
    expect(sent({ delta: { temperature: 0 } }, temperatures(1, 1, 1.01, 1.01))).toEqual([0, 2]);
  });

  test("sends every change of a boolean", () => {
    const readings = [true, true, false, false, true].map((active) => ({ active }));
    expect(sent({}, readings)).toEqual([0, 2, 4]);
  });

  test("never sends because of a number without a delta", () => {
    const readings = [1, 2, 3, 4].map((humidity) => ({ temperature: 20, humidity }));
    expect(sent({ delta: { temperature: 0.1 } }, readings)).toEqual([0]);
  });

  test("sends a field that was not there before", () => {
    expect(sent({}, [{ a: 1 }, { a: 1, b: 1 }, { a: 1, b: 1 }])).toEqual([0, 1]);
  });

  test("compares a field that was left out for a while with what was last sent of it", () => {
    const readings = [{ a: 1, b: true }, { b: false }, { a: 1, b: false }, { a: 2, b: false }];
    expect(sent({ delta: { a: 1 } }, readings)).toEqual([0, 1, 3]);
  });

  test("sends when the heartbeat is due, counted from the last reading sent", () => {
    const readings = temperatures(20, 20, 25, 25, 25, 25, 25, 25, 25);
    expect(sent({ delta: { temperature: 1 }, heartbeat: "30s" }, readings)).toEqual([0, 2, 5, 8]);
  });

  test("is not made to wait another interval by binary fractions of its times", () => {
    const reporter = createReporter(v.parse(reportSettings, { heartbeat: "1m" }));
    expect(reporter.offer({ a: 0 }, 1_000.1, false)).toBe(true);
    expect(reporter.offer({ a: 0 }, 61_000.1 - 1e-9, false)).toBe(true);
  });

  test("has a heartbeat of ten minutes where none is configured", () => {
    expect(
      sent(
        {},
        Array.from({ length: 121 }, () => ({ temperature: 20 })),
      ),
    ).toEqual([0, 60, 120]);
  });

  test("compares with a reading that had to be sent whatever it said", () => {
    const reporter = createReporter(v.parse(reportSettings, { delta: { a: 1 }, heartbeat: "1m" }));
    expect(reporter.offer({ a: 0 }, 0, false)).toBe(true);
    expect(reporter.offer({ a: 0.9 }, 1_000, true)).toBe(true);
    expect(reporter.offer({ a: 1.5 }, 2_000, false)).toBe(false);
    expect(reporter.offer({ a: 0.9 }, 60_000, false)).toBe(false);
    expect(reporter.offer({ a: 0.9 }, 61_000, false)).toBe(true);
  });

  test("leaves a consumer never further off than the delta, nor longer without word than the heartbeat", () => {
    const walk = fc.array(fc.integer({ min: -30, max: 30 }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(walk, fc.integer({ min: 1, max: 20 }), (steps, deltaTenths) => {
        let tenths = 200;
        const readings = steps.map((step) => {
          tenths += step;
          return { temperature: tenths / 10 };
        });
        const indices = sent({ delta: { temperature: deltaTenths / 10 }, heartbeat: "50s" }, readings);
        for (const [index, { temperature }] of readings.entries()) {
          const known = indices.findLast((at) => at <= index)!;
          expect(Math.abs(readings[known]!.temperature - temperature)).toBeLessThan(deltaTenths / 10);
          expect(index - known).toBeLessThan(5);
        }
      }),
    );
  });

  test.each([
    [{ dleta: {} }, "dleta"],
    [{ delta: { temperature: -1 } }, "at least 0"],
    [{ delta: { temperature: "x" } }, "expected a number"],
    [{ heartbeat: 60 }, "duration"],
    [{ heartbeat: "0s" }, "at least"],
  ])("refuses %j", (config, problem) => {
    const messages = (v.safeParse(reportSettings, config).issues ?? []).map(({ message }) => message);
    expect(messages.join()).toContain(problem);
  });
});
