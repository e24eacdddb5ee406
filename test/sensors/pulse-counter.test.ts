import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import type { Edge, Gpio } from "../../src/device/gpio.ts";
import { seededRandom } from "../../src/device/random.ts";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { SimGpio } from "../../src/device/sim/gpio.ts";
import { settings } from "../../src/schema/settings.ts";
import { fieldsOf } from "../../src/sensors/driver.ts";
import { pulseCounter } from "../../src/sensors/pulse-counter.ts";

const PIN = 27;

function parse(config: Record<string, unknown>) {
  return v.parse(settings(pulseCounter.options), { pin: PIN, ...config });
}

async function opened(config: Record<string, unknown> = {}) {
  const clock = new VirtualClock({ wallMs: 0 });
  const gpio = new SimGpio({ clock, random: seededRandom(7) });
  return { clock, gpio, sensor: await pulseCounter.open(gpio, parse(config), clock) };
}

/** A GPIO whose only line has these edges, then fails. */
function failingGpio(edges: readonly Edge[], failure: Error): Gpio {
  return {
    async input() {
      return {
        get: async () => 0,
        async *edges() {
          yield* edges;
          throw failure;
        },
        close: async () => {},
      };
    },
    output: () => Promise.reject(new Error("no outputs")),
    outputs: () => Promise.reject(new Error("no outputs")),
  };
}

describe("a rain gauge", () => {
  const gauge = { edge: "falling", pull: "up", unit: "mm", per_pulse: 0.2794 };

  test("counts since the previous reading, sums up in its unit and tells the rate", async () => {
    const { clock, gpio, sensor } = await opened(gauge);
    await clock.run(gpio.pulse(PIN, 3, 1_000));
    await clock.advance(27_000);
    const first = await sensor.read();
    expect(first).toEqual({
      count: 3,
      total: expect.closeTo(0.8382, 9),
      rate: expect.closeTo(1.6764, 9),
    });
    await clock.run(gpio.pulse(PIN, 2, 1_000));
    expect(await sensor.read()).toMatchObject({ count: 2, total: expect.closeTo(1.397, 9) });
    await clock.advance(10_000);
    expect(await sensor.read()).toMatchObject({ count: 0, rate: 0, total: expect.closeTo(1.397, 9) });
  });

  test("counts a bouncing reed contact once", async () => {
    const { clock, gpio, sensor } = await opened(gauge);
    for (let tip = 0; tip < 5; tip++) {
      await clock.run(gpio.press(PIN, { bounces: 4, bounceMs: 4, holdMs: 80 }));
      await clock.advance(300);
    }
    expect(gpio.history(PIN).length).toBeGreaterThan(50);
    expect(await sensor.read()).toMatchObject({ count: 5 });
  });

  test("has fields in its unit, as precise as a pulse", () => {
    expect(fieldsOf(pulseCounter, parse(gauge))).toMatchObject({
      count: { unit: "", precision: 0 },
      total: { unit: "mm", precision: 4, stateClass: "total_increasing" },
      rate: { unit: "mm/min", precision: 5 },
    });
    expect(fieldsOf(pulseCounter, parse({}))).toMatchObject({ total: { unit: "", precision: 0 } });
  });
});

test("every pulse longer than the debounce time is in exactly one reading, whenever it is read", async () => {
  const pulse = fc.record({
    activeMs: fc.integer({ min: 11, max: 60 }),
    pauseMs: fc.integer({ min: 11, max: 200 }),
    readMeanwhile: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(pulse, { maxLength: 40 }),
      fc.constantFrom("rising", "falling", "both"),
      async (train, edge) => {
        const { clock, gpio, sensor } = await opened({ edge, debounce: "10ms" });
        let sum = 0;
        const read = async () => {
          sum += (await sensor.read())["count"] as number;
        };
        for (const { activeMs, pauseMs, readMeanwhile } of train) {
          gpio.drive(PIN, 1);
          await clock.advance(activeMs);
          if (readMeanwhile) await read();
          gpio.drive(PIN, 0);
          await clock.advance(pauseMs);
        }
        await read();
        expect(sum).toBe(train.length * (edge === "both" ? 2 : 1));
        expect(await sensor.read()).toMatchObject({ count: 0, total: sum });
        await sensor.close!();
      },
    ),
    { numRuns: 50 },
  );
});

test("what is shorter than the debounce time is bounce", async () => {
  const { clock, gpio, sensor } = await opened({ debounce: "10ms" });
  await clock.run(gpio.pulse(PIN, 20, 10));
  await clock.advance(100);
  expect(await sensor.read()).toMatchObject({ count: 0 });
});

test("edges that the kernel lost are told, once", async () => {
  const clock = new VirtualClock({ wallMs: 0 });
  const edge = { kind: "rising", monotonicMs: 0 } as const;
  const stop = new AbortController();
  const gpio: Gpio = {
    async input() {
      return {
        get: async () => 0,
        async *edges() {
          yield { ...edge, missed: 0 };
          yield { ...edge, missed: 7 };
          await clock.sleep(60_000, stop.signal);
        },
        close: async () => {},
      };
    },
    output: () => Promise.reject(new Error("no outputs")),
    outputs: () => Promise.reject(new Error("no outputs")),
  };
  const sensor = await pulseCounter.open(gpio, parse({}), clock);
  await clock.advance(1_000);
  expect(await sensor.read()).toMatchObject({ count: 2, missed: 7 });
  await clock.advance(1_000);
  expect(await sensor.read()).not.toHaveProperty("missed");
  stop.abort();
});

test("a line that was lost fails the readings", async () => {
  const clock = new VirtualClock({ wallMs: 0 });
  const failure = new Error("the line is gone");
  const sensor = await pulseCounter.open(failingGpio([], failure), parse({}), clock);
  await clock.advance(1);
  await expect(sensor.read()).rejects.toBe(failure);
  await sensor.close!();
});

test("closing gives the line back", async () => {
  const { gpio, sensor } = await opened();
  await sensor.close!();
  await expect(gpio.input({ pin: PIN })).resolves.toBeDefined();
});

test.each([
  { per_pulse: 0 },
  { per_pulse: -1 },
  { per_pulse: Number.POSITIVE_INFINITY },
  { edge: "up" },
  { pin: -1 },
])("refuses %j", (config) => {
  expect(v.safeParse(settings(pulseCounter.options), { pin: PIN, ...config }).success).toBe(false);
});
