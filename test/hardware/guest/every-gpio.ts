import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Edge, Gpio, InputLine, InputRequest } from "../../../src/device/gpio.ts";
import { linuxClock } from "../../../src/device/linux/clock.ts";
import { eventually, type SimulatedChip, simulateChip, traceLine } from "./kernel.ts";

/** Edges closer than the guest's timer tick would merge. */
const APART_MS = 10;

const TAKEN_LINE = 4;

/** The chips of a Raspberry Pi 4, the header's not being the kernel's first. */
export function simulateHeader(): SimulatedChip {
  simulateChip({ name: "expander", label: "raspberrypi-exp-gpio", lineCount: 8 });
  return simulateChip({ name: "header", label: "pinctrl-bcm2711", lineCount: 54, hog: TAKEN_LINE });
}

/** What every way to the kernel's lines must do. Uses pins 4 to 22. */
export function everyGpio(gpio: Gpio, chip: SimulatedChip): void {
  const clock = linuxClock();

  for (const activeLow of [false, true]) {
    for (const initial of [0, 1] as const) {
      const level = activeLow ? 1 - initial : initial;
      const pin = 5 + 2 * initial + Number(activeLow);
      test(`an output${activeLow ? " that is active low" : ""} takes its initial ${initial} in one step`, async () => {
        const events = await traceLine(chip.base + pin, () => gpio.output({ pin, activeLow, initial }));
        assert.deepEqual(events, [`set ${level}`, "out"]);
        assert.equal(chip.level(pin), level);
      });
    }
  }

  test("an output moves its line", async () => {
    const line = await gpio.output({ pin: 10, initial: 0 });
    for (const value of [1, 0, 1] as const) {
      await line.set(value);
      assert.equal(chip.level(10), value);
      assert.equal(await line.get(), value);
    }
  });

  test("an output that is active low moves its line the other way", async () => {
    const line = await gpio.output({ pin: 11, initial: 0, activeLow: true });
    for (const value of [1, 0, 1] as const) {
      await line.set(value);
      assert.equal(chip.level(11), 1 - value);
    }
  });

  test("a line is known by its name, too", async () => {
    await gpio.output({ pin: "GPIO12", initial: 1 });
    assert.equal(chip.level(12), 1);
  });

  test("an input reads its wire, either way up", async () => {
    const plain = await gpio.input({ pin: 16 });
    const inverted = await gpio.input({ pin: 17, activeLow: true });
    for (const level of [1, 0, 1] as const) {
      chip.drive(16, level);
      chip.drive(17, level);
      assert.equal(await plain.get(), level);
      assert.equal(await inverted.get(), 1 - level);
    }
    await plain.close();
    await inverted.close();
  });

  test("an input tells every edge with its time, in order", async () => {
    const { edges, line } = await watch({ pin: 18 });
    const drivenAtMs = await toggle(18, 6);
    await eventually("six edges", () => edges.length === 6);
    await line.close();
    assert.deepEqual(
      edges.map(({ kind }) => kind),
      ["rising", "falling", "rising", "falling", "rising", "falling"],
    );
    for (const [nth, { monotonicMs, missed }] of edges.entries()) {
      assert.equal(missed, 0);
      const lateMs = monotonicMs - drivenAtMs[nth]!;
      assert.ok(lateMs >= 0 && lateMs < 100, `edge ${nth} is ${lateMs} ms late`);
    }
  });

  test("an input that is active low calls its edges by their meaning", async () => {
    const { edges, line } = await watch({ pin: 19, activeLow: true, edges: "rising" });
    chip.drive(19, 1);
    await sleep(APART_MS);
    const before = edges.length;
    await toggle(19, 4, 0);
    await eventually("two edges", () => edges.length === before + 2);
    await line.close();
    assert.ok(edges.every(({ kind }) => kind === "rising"));
  });

  test("bounces shorter than the debounce are no edges", async () => {
    const { edges, line } = await watch({ pin: 20, debounceMs: 60 });
    await toggle(20, 5);
    await eventually("an edge", () => edges.length > 0);
    await sleep(150);
    await line.close();
    assert.deepEqual(
      edges.map(({ kind }) => kind),
      ["rising"],
    );
  });

  test("an input that is closed ends its edges", async () => {
    const line = await gpio.input({ pin: 21 });
    const ended = collect(line, []);
    await line.close();
    await ended;
    await assert.rejects(line.get(), { name: "GpioError", fault: "io" });
  });

  test("a line that was given back can be taken again", async () => {
    for (let times = 0; times < 3; times++) await (await gpio.input({ pin: 22 })).close();
    await (await gpio.output({ pin: 22, initial: 1 })).close();
  });

  test("a line that a kernel driver owns is taken", async () => {
    const taken = { name: "GpioError", fault: "taken", message: /^GPIO4: / };
    await assert.rejects(gpio.input({ pin: TAKEN_LINE }), taken);
    await assert.rejects(gpio.output({ pin: TAKEN_LINE, initial: 0 }), taken);
  });

  test("a line that the chip does not have is refused", async () => {
    await assert.rejects(gpio.output({ pin: 54, initial: 0 }), {
      fault: "no_line",
      message: /lines 0 to 53/,
    });
  });

  async function watch(request: InputRequest): Promise<{ line: InputLine; edges: Edge[] }> {
    const line = await gpio.input(request);
    const edges: Edge[] = [];
    void collect(line, edges);
    return { line, edges };
  }

  async function collect(line: InputLine, into: Edge[]): Promise<void> {
    for await (const edge of line.edges(new AbortController().signal)) into.push(edge);
  }

  /** Drives a wire up and down, and says when. */
  async function toggle(pin: number, times: number, first: 0 | 1 = 1): Promise<number[]> {
    const atMs: number[] = [];
    for (let nth = 0; nth < times; nth++) {
      atMs.push(clock.monotonicMs());
      chip.drive(pin, nth % 2 === 0 ? first : first === 1 ? 0 : 1);
      await sleep(APART_MS);
    }
    return atMs;
  }
}
