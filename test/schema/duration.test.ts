import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { duration, formatDurationMs, parseDurationMs } from "../../src/schema/duration.ts";

describe("durations", () => {
  test.each([
    ["0s", 0],
    ["250ms", 250],
    ["10s", 10_000],
    ["1.5s", 1_500],
    ["5m", 300_000],
    ["2h", 7_200_000],
    ["7d", 604_800_000],
  ])("%s are %d ms", (text, valueMs) => {
    expect(parseDurationMs(text)).toBe(valueMs);
  });

  test.each([
    "",
    "10",
    "s",
    "-1s",
    "1 s",
    "10S",
    "1h30m",
    "1w",
    "1e3s",
    "0.5ms",
    `${"9".repeat(20)}d`,
    "1.s",
    " 1s",
  ])("%j is none", (text) => {
    expect(parseDurationMs(text)).toBeUndefined();
  });

  test("are written so that they read back as the same", () => {
    fc.assert(
      fc.property(fc.nat({ max: 10 ** 12 }), (valueMs) => {
        expect(parseDurationMs(formatDurationMs(valueMs))).toBe(valueMs);
      }),
    );
  });

  test("keep within their bounds and say which", () => {
    const schema = duration({ minMs: 1_000, maxMs: 60_000 });
    expect(v.parse(schema, "1m")).toBe(60_000);
    expect(v.safeParse(schema, "1ms").issues?.[0].message).toBe("must be at least 1s");
    expect(v.safeParse(schema, "1h").issues?.[0].message).toBe("must be at most 1m");
    expect(v.safeParse(schema, 10).issues?.[0].message).toMatch(/^expected a duration/);
  });
});
