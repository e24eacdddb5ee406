import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DataType, decodeWrites, encodePayload, withSeq } from "../../src/sparkplug/payload.ts";
import { tahu } from "./host.ts";

const AT_MS = Date.UTC(2026, 0, 1);

describe("a Sparkplug payload", () => {
  test("is read by Eclipse Tahu's library as it was written", () => {
    fc.assert(
      fc.property(
        fc.double({ noNaN: true }),
        fc.boolean(),
        fc.string(),
        fc.integer({ min: 0, max: 255 }),
        fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
        (number, flag, text, seq, whole) => {
          const payload = encodePayload(AT_MS, [
            { name: "number", type: DataType.Double, value: number, timestampMs: AT_MS },
            { alias: 7, type: DataType.Boolean, value: flag, timestampMs: AT_MS, historical: true },
            {
              name: "text",
              type: DataType.String,
              value: text,
              timestampMs: AT_MS,
              properties: { engUnit: text },
            },
            { name: "whole", type: DataType.Int64, value: whole, timestampMs: AT_MS },
            { name: "nothing", type: DataType.Double, value: null, timestampMs: AT_MS },
          ]);
          const { metrics, seq: read, timestamp } = tahu.decodePayload(withSeq(payload, seq));
          expect([Number(read), Number(timestamp)]).toEqual([seq, AT_MS]);
          expect(metrics.slice(0, 3).map(({ value }) => value)).toEqual([number, flag, text]);
          expect(Number(metrics[3]?.value)).toBe(whole);
          expect(metrics[1]).toMatchObject({ type: "Boolean", isHistorical: true });
          expect(metrics[2]?.properties?.["engUnit"]?.value).toBe(text);
          expect(metrics[4]?.value).toBeNull();
        },
      ),
    );
  });

  test("of a host is read as Tahu's library wrote it", () => {
    const metrics = [
      { name: "on", type: "Boolean", value: true },
      { name: "value", type: "Int32", value: -5 },
      { name: "value", type: "Float", value: 1.5 },
      { alias: 9, name: "state", type: "String", value: "off" },
    ];
    const read = decodeWrites(tahu.encodePayload({ timestamp: AT_MS, metrics }));
    expect(read.map(({ name, value }) => [name, value])).toEqual([
      ["on", true],
      ["value", -5],
      ["value", 1.5],
      ["state", "off"],
    ]);
    expect(read[3]?.alias).toBe(9);
  });

  test("that was cut short anywhere but between two metrics is no command", () => {
    const whole = tahu.encodePayload({ metrics: [{ name: "on", type: "Boolean", value: true }] });
    for (let length = 1; length < whole.length; length++) {
      const cut = whole.subarray(0, length);
      let writes: readonly unknown[] = [];
      try {
        writes = decodeWrites(cut);
      } catch {}
      expect(writes, `${length} of ${whole.length} bytes`).toEqual([]);
    }
  });

  test("of any bytes is read in bounded time, or refused with an error", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        try {
          expect(decodeWrites(bytes).length).toBeLessThanOrEqual(64);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
