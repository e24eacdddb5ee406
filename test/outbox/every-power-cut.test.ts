import { describe, expect, test } from "vitest";
import { seededRandom } from "../../src/device/random.ts";
import type { OutboxOptions } from "../../src/outbox/open.ts";
import { howMany, SEED } from "../exhaustive.ts";
import { cutsOf, diskOf, machineOn, NO_PAST, type Run, record, seqsOf, tryOutAll } from "./power-cuts.ts";
import { TAIL } from "./rig.ts";

/** With a tail: what it holds is gone after the cut, so that only the disk's operations are recorded. */
const WITH_TAIL: Partial<OutboxOptions> = { tail: TAIL };

/** A node's days: all that the outbox does with its files happens in them. */
const days: Run = async (open, clock) => {
  let node = await open();
  node.boot();
  node.append(5);
  node.deliver(3);
  await node.sync();
  node.append(6);
  await node.sync(3);
  node.deliver(4);
  node.append(30);
  await node.wait(clock, 1000);
  node.append(2);
  // Killed: the next one finds what it handed to the kernel.
  node = await open();
  node.boot();
  node.append(3);
  node.deliver(25);
  node.append(20);
  await node.sync(2);
  await node.close();
  node = await open();
  node.boot();
  node.deliver(100);
  for (let i = 0; i < 8; i++) {
    node.append(7);
    node.deliver(6);
  }
  await node.sync();
  node.append(100);
  node.report();
  node.append(12);
  node.report();
  await node.sync(4);
  node.report();
  node.deliver(50);
  node.append(10);
  await node.close();
  node = await open({ whenFull: "drop_newest" });
  node.boot();
  node.append(90);
  node.report();
  node.deliver(30);
  node.append(3);
  node.report();
  await node.sync();
  node.append(2);
  // Less room than before: the oldest segments go.
  node = await open({ segmentBytes: 1024 });
  node.boot();
  node.report();
  node.append(5);
  await node.close();
};

/** The run after a power cut, which the next one may end at any instant. */
const dayAfter: Run = async (open, clock) => {
  let node = await open();
  node.boot();
  node.report();
  node.append(4);
  node.deliver(15);
  await node.sync(1);
  node.append(30);
  node.report();
  await node.wait(clock, 1000);
  node.deliver(20);
  node.append(25);
  await node.close();
  node = await open();
  node.boot();
};

/** Every record is on flash when its number is given. */
const carefulDays: Run = async (open, clock) => {
  for (let day = 0; day < 3; day++) {
    const node = await open({ syncAfterMs: 0 });
    node.boot();
    for (let i = 0; i < 15; i++) {
      node.append(1);
      await node.wait(clock, 0);
      if (i % 5 === 4) node.deliver(4);
    }
    if (day === 1) await node.close();
  }
};

/** Of each kind of outbox; of everything together well above 20,000. */
const LEAST_STATES = howMany(1_500, 10_000);

describe(`whatever a power cut leaves of the disk (SEED=${SEED})`, () => {
  test.each([
    ["without a tail", {}, howMany(4, 19)],
    ["with a tail", WITH_TAIL, howMany(7, 45)],
  ] as const)("the outbox keeps every promise that it made before, %s", async (_, settings, limit) => {
    const recording = await record(NO_PAST, days, settings);
    const states = await tryOutAll(recording, limit, seededRandom(SEED), settings);
    // biome-ignore lint/suspicious/noConsole: the seed replays the run
    console.info(`${states} disks tried out, SEED=${SEED}`);
    expect(states).toBeGreaterThan(LEAST_STATES);
  });

  test("the outbox keeps them also where the power fails again while it recovers or soon after", async () => {
    const random = seededRandom(SEED + 1);
    for (const settings of [{}, WITH_TAIL]) {
      const first = await record(NO_PAST, days, settings);
      for (const past of cutsOf(first, 8, random)) {
        if (random() > howMany(0.0004, 0.002)) continue;
        const found = new Set(seqsOf(await machineOn(diskOf(past.state)).open()));
        const promised = { ...past.after, given: past.promised.given, durable: found };
        const second = await record({ ...past, promised }, dayAfter, settings);
        await tryOutAll(second, 4, random, settings);
      }
    }
  });

  test("nothing at all is missing where every append is synced", async () => {
    const recording = await record(NO_PAST, carefulDays);
    await tryOutAll(recording, howMany(5, 16), seededRandom(SEED + 2));
  });

  test("a disk that ignores syncs does not get away with it here", async () => {
    const recording = await record(NO_PAST, carefulDays);
    const log = recording.log.map((operation) =>
      operation.do === "sync" ? { ...operation, until: 0 } : operation,
    );
    await expect(tryOutAll({ ...recording, log }, 4, seededRandom(SEED + 3))).rejects.toThrow("SEED=");
  });
});
