import * as v from "valibot";
import { describe, expect, test } from "vitest";
import type { Gpio } from "../../src/device/gpio.ts";
import { seededRandom } from "../../src/device/random.ts";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { SimGpio } from "../../src/device/sim/gpio.ts";
import { settings } from "../../src/schema/settings.ts";
import { digitalInput } from "../../src/sensors/digital-input.ts";
import type { Measurements } from "../../src/sensors/driver.ts";

async function opened(config: Record<string, unknown>) {
  const clock = new VirtualClock({ wallMs: 0 });
  const gpio = new SimGpio({ clock, random: seededRandom(7) });
  const options = v.parse(settings(digitalInput.options), { pin: 17, ...config });
  return { clock, gpio, sensor: await digitalInput.open(gpio, options) };
}

describe("a door contact to ground", () => {
  const door = { pull: "up", active_low: true };

  test("is active while it is closed", async () => {
    const { clock, gpio, sensor } = await opened(door);
    expect(await sensor.read()).toEqual({ active: false });
    gpio.drive(17, 0);
    await clock.advance(20);
    expect(await sensor.read()).toEqual({ active: true });
  });

  test("makes one change of each bouncing press and release", async () => {
    const { clock, gpio, sensor } = await opened(door);
    const stop = new AbortController();
    const changes: (Measurements & { atMs: number })[] = [];
    const watching = (async () => {
      for await (const change of sensor.changes!(stop.signal)) {
        changes.push({ ...change, atMs: clock.monotonicMs() });
      }
    })();
    const startMs = clock.monotonicMs();
    await clock.run(gpio.press(17, { bounces: 6, bounceMs: 8, holdMs: 500 }));
    await clock.advance(100);
    expect(gpio.history(17).length).toBeGreaterThan(10);
    expect(changes.map(({ active }) => active)).toEqual([true, false]);
    expect(changes[0]!.atMs - startMs).toBeLessThanOrEqual(28);
    stop.abort();
    await watching;
  });

  test("does not see a touch shorter than its debounce time", async () => {
    const { clock, gpio, sensor } = await opened({ ...door, debounce: "50ms" });
    gpio.drive(17, 0);
    await clock.advance(49);
    gpio.release(17);
    await clock.advance(200);
    expect(await sensor.read()).toEqual({ active: false });
  });
});

test("an active-high level needs no options but its pin", async () => {
  const { clock, gpio, sensor } = await opened({});
  gpio.drive(17, 1);
  await clock.advance(20);
  expect(await sensor.read()).toEqual({ active: true });
});

test("edges that the kernel lost are told with the change that came after them", async () => {
  const lossy: Gpio = {
    input: async () => ({
      get: async () => 0,
      async *edges() {
        yield { kind: "rising", monotonicMs: 1, missed: 0 };
        yield { kind: "falling", monotonicMs: 2, missed: 3 };
      },
      close: async () => {},
    }),
    output: () => Promise.reject(new Error("no outputs")),
    outputs: () => Promise.reject(new Error("no outputs")),
  };
  const sensor = await digitalInput.open(lossy, { pin: 17, active_low: false, debounce: 0 });
  const changes: Measurements[] = [];
  for await (const change of sensor.changes!(new AbortController().signal)) changes.push(change);
  expect(changes).toEqual([{ active: true }, { active: false, missed: 3 }]);
});

test("closing gives the line back", async () => {
  const { gpio, sensor } = await opened({});
  await expect(gpio.input({ pin: 17 })).rejects.toMatchObject({ fault: "taken" });
  await sensor.close!();
  await expect(gpio.input({ pin: 17 })).resolves.toBeDefined();
});

test("takes the line that its configuration names", () => {
  const options = v.parse(settings(digitalInput.options), { pin: "GPIO17" });
  expect(digitalInput.pins(options)).toEqual(["GPIO17"]);
  expect(options).toMatchObject({ debounce: 20, active_low: false });
});
