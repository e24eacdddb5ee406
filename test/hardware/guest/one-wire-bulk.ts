import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { linuxBoard } from "../../../src/device/linux/board.ts";
import { linuxClock } from "../../../src/device/linux/clock.ts";
import { ds18b20 } from "../../../src/sensors/ds18b20.ts";
import { loadModule, setParameter } from "./kernel.ts";

const COUNT = 10;
const ids = Array.from({ length: COUNT }, (_, nth) => `28-00987654321${nth}`);
const { oneWire } = linuxBoard({ clock: linuxClock() });

loadModule("w1_sim", `count=${COUNT}`);

const measure = async (id: string) => (await ds18b20.open(oneWire, { wire_id: id })).read();

test("ten thermometers that are due together cost one conversion", async () => {
  let present: readonly string[] = [];
  for (let tries = 0; tries < 200 && present.length < COUNT; tries++) {
    await sleep(50);
    present = await oneWire.ids();
  }
  assert.deepEqual([...present].sort(), ids);
  const startMs = performance.now();
  const readings = await Promise.all(ids.map(measure));
  const tookMs = performance.now() - startMs;
  assert.deepEqual(
    readings.map(({ temperature }) => temperature),
    ids.map((_, nth) => 21.5 + nth),
  );
  process.stdout.write(`ten DS18B20: ${Math.round(tookMs)} ms\n`);
  assert.ok(tookMs < 3_500, `${tookMs} ms`);
});

test("one that fails among them is a fault of its own", async () => {
  setParameter("w1_sim", "fault", "0,0,2,0,0,0,0,0,0,0");
  const outcomes = await Promise.allSettled(ids.map(measure));
  setParameter("w1_sim", "fault", "0,0,0,0,0,0,0,0,0,0");
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ids.map((_, nth) => (nth === 2 ? "rejected" : "fulfilled")),
  );
});

test("one that was left out of the others' conversion gives no old reading", async () => {
  await Promise.all(ids.slice(0, 2).map(measure));
  setParameter("w1_sim", "temperature", ids.map(() => 5_000).join());
  assert.deepEqual(await measure(ids[9]!), { temperature: 5 });
});
