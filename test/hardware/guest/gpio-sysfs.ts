import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { linuxClock } from "../../../src/device/linux/clock.ts";
import { sysfsGpio } from "../../../src/device/linux/gpio.ts";
import { textFiles } from "../../../src/device/linux/text-files.ts";
import { everyGpio, simulateHeader } from "./every-gpio.ts";
import { read, traceLine } from "./kernel.ts";

const chip = simulateHeader();
/** As in a process that has just started: what an earlier one took is not known. */
const newGpio = () => sysfsGpio({ clock: linuxClock(), files: textFiles() });
const gpio = newGpio();

everyGpio(gpio, chip);

test("an output keeps its level when it is given back", async () => {
  const line = await gpio.output({ pin: 33, initial: 1 });
  const events = await traceLine(chip.base + 33, () => line.close());
  assert.deepEqual(events, []);
  assert.equal(chip.level(33), 1);
});

test("an output that a killed run left behind is taken over without a glitch", async () => {
  await newGpio().output({ pin: 34, initial: 1 });
  const events = await traceLine(chip.base + 34, () => gpio.output({ pin: 34, initial: 1 }));
  assert.deepEqual(events, ["set 1", "out"]);
});

test("an output that a killed run left behind changes its polarity without a glitch", async () => {
  await newGpio().output({ pin: 35, initial: 0, activeLow: true });
  assert.equal(chip.level(35), 1);
  const events = await traceLine(chip.base + 35, () =>
    gpio.output({ pin: 35, initial: 1, activeLow: false }),
  );
  assert.deepEqual(events, ["set 1", "out"]);
});

test("an input that a killed run left watched can become an output", async () => {
  const left = await newGpio().input({ pin: 36 });
  await gpio.output({ pin: 36, initial: 1 });
  assert.equal(chip.level(36), 1);
  await left.close();
});

test("an input that is closed goes back to the kernel", async () => {
  const line = await gpio.input({ pin: 37 });
  await line.close();
  assert.ok(!existsSync(`/sys/class/gpio/gpio${chip.base + 37}`));
});

test("a pull is refused, with the way to have it", async () => {
  await assert.rejects(gpio.input({ pin: 38, bias: "up" }), { fault: "unsupported", message: /gpio=38=pu/ });
});

test("a line that somebody turns into an input behind our back is told of when it is next set", async () => {
  const line = await gpio.output({ pin: 39, initial: 0 });
  writeFileSync(`/sys/class/gpio/gpio${chip.base + 39}/direction`, "in");
  await assert.rejects(line.set(1), { name: "GpioError" });
  assert.equal(read(`/sys/class/gpio/gpio${chip.base + 39}/direction`), "in");
});
