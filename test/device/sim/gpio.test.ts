import { describe, expect, test } from "vitest";
import type { Edge, InputLine } from "../../../src/device/gpio.ts";
import { seededRandom } from "../../../src/device/random.ts";
import { VirtualClock } from "../../../src/device/sim/clock.ts";
import { SimGpio } from "../../../src/device/sim/gpio.ts";

function rig(seed = 1) {
  const clock = new VirtualClock({ wallMs: 0, monotonicMs: 0 });
  return { clock, gpio: new SimGpio({ clock, random: seededRandom(seed) }) };
}

/** Gathers a line's edges in the background. */
function gather(line: InputLine): { edges: Edge[]; stop: AbortController; ended: Promise<void> } {
  const edges: Edge[] = [];
  const stop = new AbortController();
  const read = async () => {
    for await (const edge of line.edges(stop.signal)) edges.push(edge);
  };
  return { edges, stop, ended: read() };
}

describe("a line", () => {
  test("is known by its number and by the kernel's name", async () => {
    const { gpio } = rig();
    gpio.drive("GPIO17", 1);
    expect(gpio.level(17)).toBe(1);
    await expect(gpio.input({ pin: 54 })).rejects.toMatchObject({ fault: "no_line" });
    await expect(gpio.input({ pin: "GPIO_17" })).rejects.toMatchObject({ fault: "no_line" });
  });

  test("belongs to one at a time", async () => {
    const { gpio } = rig();
    const line = await gpio.input({ pin: 4 });
    await expect(gpio.output({ pin: "GPIO4", initial: 0 })).rejects.toMatchObject({
      fault: "taken",
      message: expect.stringContaining("fieldpost"),
    });
    await line.close();
    await (await gpio.output({ pin: 4, initial: 0 })).close();
    gpio.occupy(4, "onewire@0");
    await expect(gpio.input({ pin: 4 })).rejects.toThrow("onewire@0");
  });

  test("is known by its pin of the header too", async () => {
    const { gpio } = rig();
    gpio.drive(17, 1);
    expect(gpio.level({ header: 11 })).toBe(1);
    await expect(gpio.input({ pin: { header: 6 } })).rejects.toMatchObject({ fault: "no_line" });
  });

  test("of several that were asked for together is free again where one of them was not", async () => {
    const { gpio } = rig();
    gpio.occupy(6, "spi0");
    const both = [5, 6].map((pin) => ({ pin, initial: 1 as const }));
    await expect(gpio.outputs(both)).rejects.toMatchObject({ fault: "taken" });
    gpio.occupy(6, undefined);
    const lines = await gpio.outputs(both);
    await lines.set([0, 1]);
    expect([gpio.level(5), gpio.level(6), await lines.get()]).toEqual([0, 1, [0, 1]]);
    await lines.close();
    await gpio.input({ pin: 5 });
  });

  test("follows its pull while nothing drives it", async () => {
    const { gpio } = rig();
    expect([gpio.level(2), gpio.level(17)]).toEqual([1, 0]);
    const up = await gpio.input({ pin: 17, bias: "up" });
    expect(await up.get()).toBe(1);
    gpio.drive(17, 0);
    expect(await up.get()).toBe(0);
    gpio.release(17);
    expect(await up.get()).toBe(1);
  });

  test("can be stuck, whether it is an input or an output", async () => {
    const { gpio } = rig();
    const output = await gpio.output({ pin: 22, initial: 0 });
    gpio.stickAt(22, 0);
    await output.set(1);
    expect([gpio.level(22), await output.get()]).toEqual([0, 1]);
    gpio.stickAt(22, undefined);
    expect(gpio.level(22)).toBe(1);
  });
});

describe("an output", () => {
  test("takes its first value without a glitch and keeps its last one after it was given back", async () => {
    const { clock, gpio } = rig();
    await clock.advance(100);
    const output = await gpio.output({ pin: 22, initial: 1 });
    await clock.advance(10);
    await output.set(0);
    await clock.advance(10);
    await output.set(1);
    await output.close();
    expect(gpio.history(22)).toEqual([
      [100, 1],
      [110, 0],
      [120, 1],
    ]);
    await expect(output.set(0)).rejects.toMatchObject({ fault: "io" });
    expect(gpio.level(22)).toBe(1);
  });

  test("is the opposite electrically when it is active low", async () => {
    const { gpio } = rig();
    const output = await gpio.output({ pin: 5, initial: 0, activeLow: true });
    expect(gpio.level(5)).toBe(1);
    await output.set(1);
    expect([gpio.level(5), await output.get()]).toEqual([0, 1]);
  });
});

describe("an input's edges", () => {
  test("come with their kind, logical, and their time", async () => {
    const { clock, gpio } = rig();
    const { edges } = gather(await gpio.input({ pin: 17, bias: "up", activeLow: true }));
    await clock.advance(5);
    gpio.drive(17, 0);
    await clock.advance(5);
    gpio.release(17);
    await clock.advance(0);
    expect(edges).toEqual([
      { kind: "rising", monotonicMs: 5, missed: 0 },
      { kind: "falling", monotonicMs: 10, missed: 0 },
    ]);
  });

  test("are only those that were asked for", async () => {
    const { clock, gpio } = rig();
    const { edges } = gather(await gpio.input({ pin: 17, edges: "falling" }));
    await clock.run(gpio.pulse(17, 3, 10));
    await clock.advance(0);
    expect(edges.map(({ kind, monotonicMs }) => [kind, monotonicMs])).toEqual([
      ["falling", 5],
      ["falling", 15],
      ["falling", 25],
    ]);
  });

  test("since the request are all there for a reader who comes later, and the lost ones are counted", async () => {
    const { clock, gpio } = rig();
    const line = await gpio.input({ pin: 17 });
    await clock.run(gpio.pulse(17, 150, 2));
    const { edges } = gather(line);
    await clock.advance(0);
    expect(edges).toHaveLength(256);
    expect(edges[0]).toMatchObject({ missed: 44, monotonicMs: 44 });
    expect(edges.slice(1).every(({ missed }) => missed === 0)).toBe(true);
  });

  test("end when the reader stops or the line is given back, and have one reader", async () => {
    const { gpio } = rig();
    const line = await gpio.input({ pin: 17 });
    const first = gather(line);
    await expect(gather(line).ended).rejects.toThrow("one consumer");
    first.stop.abort();
    await first.ended;
    const second = gather(line);
    await line.close();
    await second.ended;
  });
});

describe("a button", () => {
  test("bounces, the same way for the same seed", async () => {
    const press = async (seed: number) => {
      const { clock, gpio } = rig(seed);
      await gpio.input({ pin: 17, bias: "up" });
      await clock.run(gpio.press(17, { bounces: 3, bounceMs: 4, holdMs: 100 }));
      const [, ...presses] = gpio.history(17);
      return presses;
    };
    const history = await press(1);
    expect(history).toHaveLength(14);
    expect(history[6]![1]).toBe(0);
    expect(history[6]![0]).toBeLessThan(4);
    expect(history[13]![1]).toBe(1);
    expect(history[7]![0]).toBe(100);
    expect(await press(1)).toEqual(history);
    expect(await press(2)).not.toEqual(history);
  });

  test("is one press after the kernel's debounce, told once the level has held", async () => {
    const { clock, gpio } = rig();
    const line = await gpio.input({ pin: 17, bias: "up", activeLow: true, debounceMs: 20 });
    const { edges } = gather(line);
    await clock.run(gpio.press(17, { bounces: 5, bounceMs: 8, holdMs: 200 }));
    await clock.advance(100);
    expect(edges.map(({ kind }) => kind)).toEqual(["rising", "falling"]);
    expect(edges[0]!.monotonicMs).toBeGreaterThan(20);
    expect(edges[0]!.monotonicMs).toBeLessThanOrEqual(28);
  });

  test("shorter than the debounce time was never pressed", async () => {
    const { clock, gpio } = rig();
    const line = await gpio.input({ pin: 17, bias: "up", debounceMs: 20 });
    const { edges } = gather(line);
    await clock.run(gpio.press(17, { bounces: 0, bounceMs: 0, holdMs: 15 }));
    await clock.advance(100);
    expect(edges).toEqual([]);
    expect(await line.get()).toBe(1);
  });
});
