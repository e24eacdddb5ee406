import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { settings } from "../../src/schema/settings.ts";
import { commonSensorEntries, namedFields } from "../../src/sensors/settings.ts";

const schema = settings(commonSensorEntries);
const air = { id: "air", driver: "bme280" };

describe("what every sensor's settings share", () => {
  test("leave nearly everything to defaults", () => {
    expect(v.parse(schema, air)).toEqual({ ...air, jitter: 0, filters: [] });
  });

  test("read as the contract's example does", () => {
    const config = {
      ...air,
      bus: "main",
      address: 0x76,
      interval: "10s",
      jitter: "500ms",
      filters: [{ temperature: [{ offset: -0.4 }, { median: 5 }] }, { humidity: [{ clamp: [0, 100] }] }],
      report: { delta: { temperature: 0.1 }, heartbeat: "10m" },
    };
    expect(v.parse(schema, config)).toEqual({
      ...config,
      interval: 10_000,
      jitter: 500,
      filters: [
        { field: "temperature", filters: [{ offset: -0.4 }, { median: 5 }] },
        { field: "humidity", filters: [{ clamp: [0, 100] }] },
      ],
      report: { delta: { temperature: 0.1 }, heartbeat: 600_000 },
    });
  });

  test.each([
    ["an id that begins with a dash", { id: "-air" }],
    ["an id with a slash", { id: "green/house" }],
    ["an id of 65 letters", { id: "a".repeat(65) }],
    ["a reserved address", { address: 0x07 }],
    ["an address beyond 7 bits", { address: 0x78 }],
    ["an interval below 50 ms", { interval: "49ms" }],
    ["an interval without a unit", { interval: 10 }],
    ["an unknown key", { intervall: "10s" }],
  ])("refuse %s", (_name, change) => {
    expect(v.is(schema, { ...air, ...change })).toBe(false);
  });

  test("tell which fields they name, and where", () => {
    const config = v.parse(schema, {
      ...air,
      filters: [{ round: 1 }, { temperature: [{ offset: 1 }] }],
      report: { delta: { humidity: 1 } },
    });
    expect(namedFields(config)).toEqual([
      { field: "temperature", path: ["filters", 1, "temperature"] },
      { field: "humidity", path: ["report", "delta", "humidity"] },
    ]);
  });
});
