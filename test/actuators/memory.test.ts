import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openMemory } from "../../src/actuators/memory.ts";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { type Log, silentLog } from "../../src/log.ts";
import { memoryFileOn } from "../../src/node/state-file.ts";
import { nodeFiles } from "../../src/outbox/files/node.ts";

const clock = new VirtualClock({ wallMs: 0 });
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "leases-"));
});
afterEach(() => rm(folder, { recursive: true }));

test("what an actuator was told is known to the next process", async () => {
  const path = join(folder, "actuators.json");
  const first = await openMemory(memoryFileOn(nodeFiles(), path), clock, silentLog);
  await Promise.all([
    first.keep("pump", { onSinceMs: 1_000.5, lease: { untilMs: 2_000 } }),
    first.keep("fan", { last: "on" }),
    first.keep("fan", { last: 40 }),
  ]);
  const second = await openMemory(memoryFileOn(nodeFiles(), path), clock, silentLog);
  expect(second.of("pump")).toEqual({ onSinceMs: 1_000.5, lease: { untilMs: 2_000 } });
  expect(second.of("fan")).toEqual({ last: 40 });
  expect(second.of("lamp")).toEqual({});
  expect(await readdir(folder)).toEqual(["actuators.json"]);
});

test("another boot of the kernel knows what was told and not for how long, because its time is another", async () => {
  const path = join(folder, "actuators.json");
  const first = await openMemory(memoryFileOn(nodeFiles(), path), clock, silentLog);
  await first.keep("pump", { last: "on", onSinceMs: 1_000, lease: { untilMs: 2_000 } });
  const rebooted = new Proxy(clock, {
    get: (target, key) => (key === "bootId" ? "another" : Reflect.get(target, key)),
  });
  const second = await openMemory(memoryFileOn(nodeFiles(), path), rebooted, silentLog);
  expect(second.of("pump")).toEqual({ last: "on", lease: {} });
});

test.each([
  "{",
  "null",
  "[]",
  '{"actuators":null}',
  '{"actuators":{"pump":7}}',
  '{"actuators":{"pump":{"last":{},"onSinceMs":"x","lease":3,"usage":{"used":[["a"]]}}}}',
])("a file that says %s costs nothing but what it knew", async (text) => {
  const file = { read: async () => text, replace: async () => {} };
  const { last, onSinceMs, usage } = (await openMemory(file, clock, silentLog)).of("pump");
  expect([last, onSinceMs, usage]).toEqual([undefined, undefined, undefined]);
});

test("a disk that refuses is logged and keeps nothing from moving", async () => {
  const warnings: string[] = [];
  const log: Log = { ...silentLog, warn: (message) => warnings.push(message) };
  const file = memoryFileOn(nodeFiles(), join(folder, "gone", "actuators.json"));
  const memory = await openMemory(file, clock, log);
  await memory.keep("pump", { onSinceMs: 1_000 });
  expect(memory.of("pump")).toEqual({ onSinceMs: 1_000 });
  expect(warnings).toEqual(["cannot remember what actuators have been told"]);
});

test("a disk that never answers keeps nothing from moving either", async () => {
  const file = { read: async () => undefined, replace: () => new Promise<void>(() => {}) };
  const slow = new VirtualClock({ wallMs: 0 });
  const memory = await openMemory(file, slow, silentLog);
  await slow.run(
    Promise.all([memory.keep("pump", { last: "on" }), memory.keep("fan", { last: "on" })]),
    1_000,
  );
});
