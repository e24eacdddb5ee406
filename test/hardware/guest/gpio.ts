import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Edge, InputLine, InputRequest } from "../../../src/device/gpio.ts";
import { linuxClock } from "../../../src/device/linux/clock.ts";
import { sysfsGpio } from "../../../src/device/linux/gpio.ts";
import { textFiles } from "../../../src/device/linux/text-files.ts";
import { eventually, read, simulateChip, traceLine } from "./kernel.ts";

/** Edges closer than the guest's timer tick would merge. */
const APART_MS = 10;

const TAKEN_LINE = 4;
// Registered first, so that the header's chip does not begin at the first number.
simulateChip({ name: "expander", label: "raspberrypi-exp-gpio", lineCount: 8 });
const chip = simulateChip({ name: "header", label: "pinctrl-bcm2711", lineCount: 54, hog: TAKEN_LINE });
const clock = linuxClock();
/** As a process that has just started: what an earlier one took is not known. */
const newGpio = () => sysfsGpio({ clock, files: textFiles() });
const gpio = newGpio();

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

test("an output keeps its level when it is given back", async () => {
  const line = await gpio.output({ pin: 13, initial: 1 });
  const events = await traceLine(chip.base + 13, () => line.close());
  assert.deepEqual(events, []);
  assert.equal(chip.level(13), 1);
});

test("an output that a killed run left behind is taken over without a glitch", async () => {
  await newGpio().output({ pin: 14, initial: 1 });
  const events = await traceLine(chip.base + 14, () => gpio.output({ pin: 14, initial: 1 }));
  assert.deepEqual(events, ["set 1", "out"]);
});

test("an output that a killed run left behind changes its polarity without a glitch", async () => {
  await newGpio().output({ pin: 9, initial: 0, activeLow: true });
  assert.equal(chip.level(9), 1);
  const events = await traceLine(chip.base + 9, () => gpio.output({ pin: 9, initial: 1, activeLow: false }));
  assert.deepEqual(events, ["set 1", "out"]);
});

test("an input that a killed run left watched can become an output", async () => {
  const left = await newGpio().input({ pin: 15 });
  await gpio.output({ pin: 15, initial: 1 });
  assert.equal(chip.level(15), 1);
  await left.close();
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

test("an input that is closed ends its edges and gives the line back to the kernel", async () => {
  const line = await gpio.input({ pin: 21 });
  const ended = collect(line, []);
  await line.close();
  await ended;
  assert.ok(!existsSync(`/sys/class/gpio/gpio${chip.base + 21}`));
  await assert.rejects(line.get(), { name: "GpioError", fault: "io" });
});

test("a line that a kernel driver owns is taken", async () => {
  const taken = { name: "GpioError", fault: "taken", message: /^GPIO4: / };
  await assert.rejects(gpio.input({ pin: TAKEN_LINE }), taken);
  await assert.rejects(gpio.output({ pin: TAKEN_LINE, initial: 0 }), taken);
});

test("a line that the chip does not have is refused", async () => {
  await assert.rejects(gpio.output({ pin: 54, initial: 0 }), { fault: "no_line", message: /lines 0 to 53/ });
});

test("a pull is refused, with the way to have it", async () => {
  await assert.rejects(gpio.input({ pin: 22, bias: "up" }), { fault: "unsupported", message: /gpio=22=pu/ });
});

test("a line that somebody turns into an input behind our back is told of when it is next set", async () => {
  const line = await gpio.output({ pin: 23, initial: 0 });
  writeFileSync(`/sys/class/gpio/gpio${chip.base + 23}/direction`, "in");
  await assert.rejects(line.set(1), { name: "GpioError" });
  assert.equal(read(`/sys/class/gpio/gpio${chip.base + 23}/direction`), "in");
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
