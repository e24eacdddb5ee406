import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toJson } from "../../src/record/json.ts";
import { decodeSample, encodeSample, fieldsToJson, type Sample } from "../../src/record/record.ts";
import { sampleTime } from "../../src/record/time.ts";

const fields = fc.dictionary(
  fc.stringMatching(/^[a-z][a-z0-9_]{0,12}$/),
  fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.string()),
);
const samples: fc.Arbitrary<Sample> = fc.record({
  topic: fc.string({ minLength: 1, maxLength: 60 }),
  wallMs: fc.double({ min: 0, max: 8.64e15, noNaN: true }),
  monotonicMs: fc.double({ min: 0, max: 1e12, noNaN: true }),
  bootId: fc.nat(0xffffffff).map((id) => id.toString(16).padStart(8, "0")),
  synced: fc.boolean(),
  historical: fc.boolean(),
  fieldsJson: fields.map(fieldsToJson),
});

const sample: Sample = {
  topic: "telemetry/air",
  wallMs: Date.UTC(2026, 10, 23, 0, 44, 20, 123),
  monotonicMs: 5_000,
  bootId: "0badcafe",
  synced: true,
  historical: false,
  fieldsJson: '"temperature":21.42,"humidity":48.1',
};

describe("a stored record", () => {
  test("reads back as it was written", () => {
    fc.assert(
      fc.property(samples, (sample) => {
        expect(decodeSample(encodeSample(sample))).toEqual(sample);
      }),
    );
  });

  test("of an unknown version is refused rather than misread", () => {
    const record = encodeSample(sample);
    record[0] = 9;
    expect(() => decodeSample(record)).toThrow("unknown record version 9");
    expect(() => decodeSample(new Uint8Array(3))).toThrow("unknown record version");
  });
});

describe("the wire's JSON", () => {
  test("is what the contract shows", () => {
    expect(toJson(1042, { wallMs: sample.wallMs }, sample)).toBe(
      '{"seq":1042,"time":"2026-11-23T00:44:20.123Z","temperature":21.42,"humidity":48.1}',
    );
  });

  test("marks an uncertain clock and a record from an outage", () => {
    const json = toJson(7, { wallMs: 0, clock: "repaired" }, { historical: true, fieldsJson: "" });
    expect(json).toBe('{"seq":7,"time":"1970-01-01T00:00:00.000Z","clock":"repaired","historical":true}');
  });

  test("parses to exactly the fields that were stored", () => {
    fc.assert(
      fc.property(fields, fc.boolean(), (fields, historical) => {
        const json = toJson(3, { wallMs: 1000 }, { historical, fieldsJson: fieldsToJson(fields) });
        const expected = {
          seq: 3,
          time: "1970-01-01T00:00:01.000Z",
          ...(historical ? { historical } : {}),
          ...fields,
        };
        expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(expected)));
      }),
    );
  });
});

describe("the time of a sample", () => {
  const none = { offsetMs: () => undefined };
  const clock = (synced: boolean, bootId = "0badcafe") => ({
    wallMs: () => Date.UTC(2026, 10, 23, 12),
    monotonicMs: () => 60_000,
    synced: () => synced,
    bootId,
    sleep: async () => {},
  });
  const early = { wallMs: 3_000, monotonicMs: 20_000, bootId: "0badcafe", synced: false };

  test("stays what it was when the clock was set", () => {
    expect(sampleTime({ ...early, wallMs: 99, synced: true }, clock(true), none)).toEqual({ wallMs: 99 });
  });

  test("is repaired by its monotonic distance once the clock is set", () => {
    expect(sampleTime(early, clock(true), none)).toEqual({
      wallMs: Date.UTC(2026, 10, 23, 11, 59, 20),
      clock: "repaired",
    });
  });

  test("stays unsynced while the clock has not been set", () => {
    expect(sampleTime(early, clock(false), none)).toEqual({ wallMs: 3_000, clock: "unsynced" });
  });

  test("from an earlier kernel boot that never knew the time cannot be repaired", () => {
    expect(sampleTime(early, clock(true, "11111111"), none)).toEqual({ wallMs: 3_000, clock: "unsynced" });
  });

  test("from an earlier kernel boot that learnt the time later is repaired, whether or not this one knows it", () => {
    const boots = { offsetMs: (bootId: string) => (bootId === "0badcafe" ? 1_000_000 : undefined) };
    for (const synced of [true, false])
      expect(sampleTime(early, clock(synced, "11111111"), boots)).toEqual({
        wallMs: 1_020_000,
        clock: "repaired",
      });
  });
});
