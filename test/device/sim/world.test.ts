import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { VirtualClock } from "../../../src/device/sim/clock.ts";
import { World, type WorldSpec } from "../../../src/device/sim/world.ts";

const HOUR_MS = 3_600_000;

function worldWith(spec: WorldSpec, seed = 1) {
  const clock = new VirtualClock({ wallMs: 0, monotonicMs: 0 });
  return { clock, world: new World({ seed, clock, spec }) };
}

describe("the world", () => {
  test("prefers what is said of a place to what is said of everywhere", () => {
    const { world } = worldWith({ "cellar.temperature": 9, temperature: 20 });
    expect(world.get("cellar", "temperature")).toBe(9);
    expect(world.get("attic", "temperature")).toBe(20);
  });

  test("is a mild day where nothing is said", () => {
    const { world } = worldWith({});
    expect(world.get("air", "temperature")).toBeGreaterThan(20);
    expect(world.get("air", "temperature")).toBeLessThan(22);
    expect(world.get("air", "pressure")).toBeCloseTo(1_013, 0);
    expect(world.get("air", "unheard_of")).toBe(0);
  });

  test("swings once a period", async () => {
    const { clock, world } = worldWith({ temperature: { mean: 10, swing: 5 } });
    const readings: number[] = [];
    for (let quarter = 0; quarter < 4; quarter++) {
      readings.push(world.get("air", "temperature"));
      await clock.advance(6 * HOUR_MS);
    }
    expect(readings.map((value) => Math.round(value))).toEqual([10, 15, 10, 5]);
  });

  test("is the same for the same seed and time, however often it is asked", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.integer({ min: 0, max: 1e9 }), async (seed, atMs) => {
        const spec = { temperature: { mean: 0, noise: 1 } };
        const [one, two, other] = [worldWith(spec, seed), worldWith(spec, seed), worldWith(spec, seed + 1)];
        for (let glance = 0; glance < 3; glance++) one.world.get("elsewhere", "temperature");
        await Promise.all([one, two, other].map(({ clock }) => clock.advanceTo(atMs)));
        const value = one.world.get("air", "temperature");
        expect(two.world.get("air", "temperature")).toBe(value);
        expect(other.world.get("air", "temperature")).not.toBe(value);
        expect(Math.abs(value)).toBeLessThanOrEqual(1);
      }),
      { numRuns: 20 },
    );
  });

  test("has noise without jumps", async () => {
    const { clock, world } = worldWith({ temperature: { mean: 0, noise: 1 } });
    let previous = world.get("air", "temperature");
    for (let step = 0; step < 300; step++) {
      await clock.advance(1_000);
      const value = world.get("air", "temperature");
      expect(Math.abs(value - previous)).toBeLessThan(0.06);
      previous = value;
    }
  });

  test("obeys whoever sets a quantity", async () => {
    const { clock, world } = worldWith({ temperature: 20 });
    world.set("temperature", -5);
    expect(world.get("air", "temperature")).toBe(-5);
    world.set("air.temperature", (monotonicMs) => monotonicMs / 1_000);
    await clock.advance(7_000);
    expect(world.get("air", "temperature")).toBe(7);
    expect(world.get("cellar", "temperature")).toBe(-5);
  });
});
