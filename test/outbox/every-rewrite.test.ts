import { describe, expect, test } from "vitest";
import { seededRandom } from "../../src/device/random.ts";
import { howMany, SEED, sampleOf } from "../exhaustive.ts";
import { seriesOf } from "./consumer.ts";
import { killedAfterEach, tryOutKill } from "./kills.ts";
import { NO_PAST, type Run, record, tryOutAll } from "./power-cuts.ts";
import { TAIL } from "./rig.ts";

/** Days offline: the log is filled many times over, and its oldest segments are written anew again and again. */
const crowdedDays: Run = async (open, clock) => {
  let node = await open();
  node.boot();
  for (let hour = 0; hour < 14; hour++) {
    node.measure(12);
    await node.sync(hour % 3 === 0 ? 2 : 0);
    if (hour % 5 !== 4) continue;
    node.deliver(9);
    node.report();
  }
  // Killed: the next one finds what it handed to the kernel.
  node = await open();
  node.boot();
  for (let hour = 0; hour < 8; hour++) {
    node.measure(12);
    await node.wait(clock, 1000);
  }
  node.deliver(25);
  node.report();
  await node.sync(1);
  node.report();
  node.measure(9);
  await node.sync();
  await node.close();
  node = await open();
  node.boot();
  for (let hour = 0; hour < 6; hour++) {
    node.measure(12);
    await node.sync();
    node.deliver(4);
  }
  node.report();
  node.deliver(1000);
  node.report();
  node.measure(40);
  await node.sync();
  node.measure(20);
  await node.sync();
};

const LEAST_STATES = howMany(250, 2_000);

describe(`whatever a power cut leaves of segments that were written anew (SEED=${SEED})`, () => {
  test.each([
    ["thin", {}, 2],
    ["drop_oldest", {}, 2],
    ["thin", { tail: TAIL }, 5],
    ["drop_oldest", { tail: TAIL }, 5],
  ] as const)("an outbox that is to %s keeps every promise, %o", async (whenFull, tail, limit) => {
    const settings = { whenFull, seriesOf, ...tail };
    const recording = await record(NO_PAST, crowdedDays, settings);
    const oneIn = howMany(6, 1);
    const states = await tryOutAll(recording, limit, seededRandom(SEED), settings, oneIn);
    // biome-ignore lint/suspicious/noConsole: the seed replays the run
    console.info(`${states} disks tried out, SEED=${SEED}`);
    expect(states).toBeGreaterThan(LEAST_STATES);
  });
});

describe(`whatever a kill leaves of segments that were written anew (SEED=${SEED})`, () => {
  test.each([
    ["thin", {}],
    ["drop_oldest", {}],
    ["thin", { tail: TAIL }],
    ["drop_oldest", { tail: TAIL }],
  ] as const)(
    "an outbox that is to %s keeps every promise after each operation, %o",
    async (whenFull, tail) => {
      const settings = { whenFull, seriesOf, ...tail };
      const killed = await killedAfterEach(crowdedDays, settings);
      const kills = sampleOf(killed.kills, 40, seededRandom(SEED));
      for (const kill of kills) {
        const broken = await tryOutKill(kill, killed, settings);
        expect(broken, `SEED=${SEED}, after operation ${kill.at} of ${killed.kills.length}`).toBeUndefined();
      }
      // biome-ignore lint/suspicious/noConsole: the seed replays the run
      console.info(`${kills.length} of ${killed.kills.length} kills tried out, SEED=${SEED}`);
    },
  );
});
