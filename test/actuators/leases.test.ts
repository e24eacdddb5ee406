import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openLeases } from "../../src/actuators/leases.ts";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { type Log, silentLog } from "../../src/log.ts";
import { leaseFileOn } from "../../src/node/state-file.ts";
import { nodeFiles } from "../../src/outbox/files/node.ts";

const clock = new VirtualClock({ wallMs: 0 });
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "leases-"));
});
afterEach(() => rm(folder, { recursive: true }));

test("what was on is known to the next process, what went off is not", async () => {
  const path = join(folder, "leases.json");
  const first = await openLeases(leaseFileOn(nodeFiles(), path), clock, silentLog);
  await Promise.all([first.remember("pump", 1_000.5), first.remember("fan", 2_000), first.forget("fan")]);
  const second = await openLeases(leaseFileOn(nodeFiles(), path), clock, silentLog);
  expect([second.onSinceMs("pump"), second.onSinceMs("fan")]).toEqual([1_000.5, undefined]);
  expect(await readdir(folder)).toEqual(["leases.json"]);
});

test("a disk that refuses is logged and keeps nothing from moving", async () => {
  const warnings: string[] = [];
  const log: Log = { ...silentLog, warn: (message) => warnings.push(message) };
  const leases = await openLeases(leaseFileOn(nodeFiles(), join(folder, "gone", "leases.json")), clock, log);
  await leases.remember("pump", 1_000);
  expect(leases.onSinceMs("pump")).toBe(1_000);
  expect(warnings).toEqual(["cannot remember for how long actuators have been on"]);
});
