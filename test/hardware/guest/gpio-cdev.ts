import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Edge, InputLine } from "../../../src/device/gpio.ts";
import { charDevices } from "../../../src/device/linux/char-devices.ts";
import { linuxClock } from "../../../src/device/linux/clock.ts";
import { cdevGpio } from "../../../src/device/linux/gpio-cdev.ts";
import { hasChips } from "../../../src/device/linux/gpio-cdev-line.ts";
import { pulseCounter } from "../../../src/sensors/pulse-counter.ts";
import { everyGpio, simulateHeader } from "./every-gpio.ts";
import { eventually, read, traceLine } from "./kernel.ts";
import { addon } from "./native.ts";

/** What the kernel keeps of one line's edges until they are read. */
const KERNEL_KEEPS = 1_024;

const devices = charDevices(addon, "/dev");
assert.ok(!hasChips(devices));
const chip = simulateHeader();
const unplugNamed = simulateNamedChip();
const gpio = cdevGpio({ devices });

test("the kernel's chips are there", () => assert.ok(hasChips(devices)));

everyGpio(gpio, chip);

for (const [bias, level] of [
  ["up", 1],
  ["down", 0],
  ["up", 1],
] as const) {
  test(`a pull ${bias} is one on the wire`, async () => {
    const line = await gpio.input({ pin: 33, bias });
    assert.equal(chip.level(33), level);
    assert.equal(await line.get(), level);
    await line.close();
  });
}

test("the owner of a taken line is named, be it a driver or this program", async () => {
  await assert.rejects(gpio.input({ pin: 4 }), {
    fault: "taken",
    message: 'GPIO4: "some-driver" owns the line',
  });
  const line = await gpio.output({ pin: 34, initial: 0 });
  await assert.rejects(gpio.input({ pin: 34 }), { message: 'GPIO34: "fieldpost" owns the line' });
  await line.close();
  await (await gpio.input({ pin: 34 })).close();
});

test("lines of one request move in one step, each its own way up", async () => {
  const lines = await gpio.outputs([
    { pin: 40, initial: 1 },
    { pin: 41, initial: 1, activeLow: true },
    { pin: 42, initial: 0 },
  ]);
  const levels = () => [40, 41, 42].map((pin) => chip.level(pin));
  assert.deepEqual(levels(), [1, 0, 0]);
  for (const values of [
    [0, 1, 1],
    [1, 0, 0],
  ] as const) {
    await lines.set(values);
    assert.deepEqual(levels(), [values[0], 1 - values[1], values[2]]);
    assert.deepEqual(await lines.get(), values);
  }
  await assert.rejects(gpio.input({ pin: 41 }), { message: 'GPIO41: "fieldpost" owns the line' });
  await lines.close();
});

test("where one line of a request is taken its owner is named, and the others stay free and still", async () => {
  const levels = () => [43, 44].map((pin) => chip.level(pin));
  const before = levels();
  await assert.rejects(
    gpio.outputs([
      { pin: 43, initial: 1 },
      { pin: 4, initial: 1 },
      { pin: 44, initial: 1 },
    ]),
    { fault: "taken", message: 'GPIO4: "some-driver" owns the line' },
  );
  assert.deepEqual(levels(), before);
  await (await gpio.outputs([43, 44].map((pin) => ({ pin, initial: 1 as const })))).close();
});

test("an open drain pulls its line down, and lets go of it where another would drive it up", async () => {
  const line = await gpio.output({ pin: 45, initial: 1, drive: "open_drain" });
  // The simulator has no such output: the kernel makes the line an input, whatever value it was told, instead of driving it.
  assert.deepEqual(await traceLine(chip.base + 45, () => line.set(0)), ["set 0", "out"]);
  assert.equal(chip.level(45), 0);
  assert.deepEqual(await traceLine(chip.base + 45, () => line.set(1)), ["set 1", "in"]);
  await line.close();
});

test("an output that is given back is left to the chip's driver, which is told nothing else", async () => {
  const line = await gpio.output({ pin: 35, initial: 1 });
  const events = await traceLine(chip.base + 35, () => line.close());
  assert.deepEqual(events, []);
  await assert.rejects(line.set(0), { name: "GpioError", fault: "io" });
});

test("a line is found by the name that the board gives it, on whatever chip it is", async () => {
  await (await gpio.output({ pin: "DOOR_LOCK", initial: 1 })).close();
  await assert.rejects(gpio.output({ pin: "DOOR_BELL", initial: 1 }), { fault: "no_line" });
});

test("edges that come while the program is busy have the time at which they came", async () => {
  const { edges, line } = await watch(36);
  const drivenAtMs: number[] = [];
  for (let nth = 0; nth < 20; nth++) {
    drivenAtMs.push(monotonicMs());
    chip.drive(36, nth % 2 === 0 ? 1 : 0);
    block(10);
  }
  await eventually("20 edges", () => edges.length === 20);
  await line.close();
  for (const [nth, { monotonicMs, missed }] of edges.entries()) {
    assert.equal(missed, 0);
    const lateMs = monotonicMs - drivenAtMs[nth]!;
    assert.ok(lateMs >= 0 && lateMs < 10, `edge ${nth} is ${lateMs} ms late`);
  }
});

test("edges that the kernel could not keep are counted", async () => {
  const { edges, line } = await watch(37);
  for (let nth = 0; nth < KERNEL_KEEPS + 200; nth++) {
    chip.drive(37, nth % 2 === 0 ? 1 : 0);
    block(3);
  }
  await eventually("all edges", () => edges.length === KERNEL_KEEPS);
  await line.close();
  const { missed } = edges[0]!;
  // Not exactly 200: the simulator delivers at its timer's ticks, and two edges between two ticks are none.
  assert.ok(missed > 0 && missed <= 200, `${missed} missed`);
  assert.ok(edges.slice(1).every((edge) => edge.missed === 0));
});

test("every pulse that the simulator can deliver is counted, at its own pace", async () => {
  const options = { pin: 39, edge: "both", unit: "", per_pulse: 1, debounce: 0, pull: undefined } as const;
  const counter = await pulseCounter.open(gpio, options, linuxClock());
  const before = interruptsOf("fieldpost");
  const endMs = monotonicMs() + 3_000;
  for (let nth = 0; monotonicMs() < endMs; nth++) {
    chip.drive(39, nth % 2 === 0 ? 1 : 0);
    // The simulator delivers at its timer's ticks, a millisecond apart.
    await sleep(1);
  }
  await sleep(100);
  const { count, missed = 0 } = await counter.read();
  // The kernel's own count of what the simulator raised: edges between two ticks are none.
  assert.equal(count, interruptsOf("fieldpost") - before);
  assert.equal(missed, 0);
  assert.ok(Number(count) > 300, `${count} edges in three seconds`);
  await counter.close?.();
});

/** How many interrupts the kernel has served for lines that this consumer requested. */
function interruptsOf(consumer: string): number {
  const lines = read("/proc/interrupts").split("\n");
  const counts = lines
    .filter((line) => line.trim().endsWith(consumer))
    .map((line) => line.trim().split(/\s+/)[1]);
  return counts.reduce((sum, count) => sum + Number(count), 0);
}

test("the kernel's debounce dates an edge to the beginning of the level that held", async () => {
  const { edges, line } = await watch(38, 80);
  const drivenAtMs = monotonicMs();
  chip.drive(38, 1);
  await eventually("the edge", () => edges.length === 1);
  const toldAfterMs = monotonicMs() - drivenAtMs;
  await line.close();
  assert.ok(toldAfterMs >= 80, `told after ${toldAfterMs} ms`);
  const lateMs = edges[0]!.monotonicMs - drivenAtMs;
  assert.ok(lateMs > -1 && lateMs < 40, `${lateMs} ms late`);
});

test("a chip that goes away ends the edges of its lines with an error", async () => {
  const line = await gpio.input({ pin: "DOOR_LOCK" });
  const ended = assert.rejects(collect(line, []), { name: "GpioError", fault: "io" });
  unplugNamed();
  await ended;
  await assert.rejects(line.get(), { name: "GpioError" });
  await line.close();
});

/** A chip beside the header's, with a line that has a name. Returns what takes it away. */
function simulateNamedChip(): () => void {
  const device = "/sys/kernel/config/gpio-sim/named";
  mkdirSync(`${device}/bank/line3`, { recursive: true });
  writeFileSync(`${device}/bank/num_lines`, "8");
  writeFileSync(`${device}/bank/line3/name`, "DOOR_LOCK");
  writeFileSync(`${device}/live`, "1");
  return () => writeFileSync(`${device}/live`, "0");
}

async function watch(pin: number, debounceMs = 0): Promise<{ line: InputLine; edges: Edge[] }> {
  const line = await gpio.input({ pin, debounceMs });
  const edges: Edge[] = [];
  void collect(line, edges);
  return { line, edges };
}

async function collect(line: InputLine, into: Edge[]): Promise<void> {
  for await (const edge of line.edges(new AbortController().signal)) into.push(edge);
}

function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Holds up the event loop. */
function block(durationMs: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, durationMs);
}
