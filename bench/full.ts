import { rmSync } from "node:fs";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { WhenFull } from "../src/outbox/intake/log-writer.ts";
import { encodeSample, fieldsToJson } from "../src/record/record.ts";
import type { Bench, Figure, Part } from "./figure.ts";
import { openStore } from "./store.ts";

const ROUNDS = 3;
const MAX_SIZE_BYTES = 32 * 1024 ** 2;
/** Appended before each sync, as a node does in some seconds. */
const BATCH = 500;
const RECORDS = 1_000_000;
/** 2,000 records a second for 10 s: two or three segments. */
const LEISURE_SIZE_BYTES = 8 * 1024 ** 2;
/** Records of more than that. */
const LEISURE_FILL = 80_000;
const LEISURE_TICK_MS = 10;
const LEISURE_BATCH = 20;
const LEISURE_TICKS = 1_000;
const EVENT_EVERY = 500;
const SENSORS = 8;

/** What it costs that an outbox is full: its oldest segments are written anew as new records come. */
export const full: Part = {
  name: "full",
  title: `${RECORDS} records into an outbox of ${MAX_SIZE_BYTES / 1024 ** 2} MiB, synced every ${BATCH}, ${ROUNDS} rounds`,
  onRequest: true,
  async measure(bench) {
    const roomy = await flood(bench, "drop_oldest", 64 * MAX_SIZE_BYTES);
    const unhurried = await atLeisure(bench, "drop_oldest", 64 * LEISURE_SIZE_BYTES);
    const figures: Figure[] = [];
    for (const whenFull of ["drop_oldest", "thin"] as const) {
      const { rates, worst } = await flood(bench, whenFull, MAX_SIZE_BYTES);
      figures.push(
        {
          name: `append, ${whenFull}`,
          unit: "records/s",
          runs: rates,
          beside: { name: "with room left", runs: roomy.rates, as: "ratio" },
        },
        { name: `longest append, ${whenFull}`, unit: "ms", runs: worst },
        {
          name: `longest turn of the event loop, ${whenFull}`,
          unit: "ms",
          runs: await atLeisure(bench, whenFull, LEISURE_SIZE_BYTES),
          beside: { name: "with room left", runs: unhurried, as: "ratio" },
        },
      );
    }
    return { figures };
  },
};

async function flood(bench: Bench, whenFull: WhenFull, maxSizeBytes: number) {
  const rates: number[] = [];
  const worst: number[] = [];
  const records = Array.from({ length: 1_000 }, (_, nth) => makeReading(nth));
  const path = join(bench.folder, "outbox-full");
  for (let round = 0; round < ROUNDS; round++) {
    bench.progress(`full: ${whenFull}, ${maxSizeBytes / 1024 ** 2} MiB, round ${round + 1}`);
    const store = await openStore(path, { whenFull, maxSizeBytes });
    let worstMs = 0;
    const startedMs = performance.now();
    for (let count = 1; count <= RECORDS; count++) {
      const beforeMs = performance.now();
      store.append(records[count % records.length]!);
      worstMs = Math.max(worstMs, performance.now() - beforeMs);
      if (count % BATCH === 0) await store.sync();
    }
    rates.push(RECORDS / ((performance.now() - startedMs) / 1000));
    worst.push(worstMs);
    await store.close();
    rmSync(path, { recursive: true });
  }
  return { rates, worst };
}

/** At a pace that leaves time to make room beforehand: so little that nobody should notice it. */
async function atLeisure(bench: Bench, whenFull: WhenFull, maxSizeBytes: number): Promise<number[]> {
  const path = join(bench.folder, "outbox-leisure");
  const store = await openStore(path, { whenFull, maxSizeBytes, syncAfterMs: 1_000 });
  const longestMs: number[] = [];
  for (let nth = 0; nth < LEISURE_FILL; nth++) {
    store.append(makeReading(nth));
    if (nth % BATCH === 0) await store.sync();
  }
  for (let round = 0; round < ROUNDS; round++) {
    bench.progress(`full: ${whenFull}, at leisure, round ${round + 1}`);
    const turns = monitorEventLoopDelay({ resolution: 1 });
    turns.enable();
    for (let tick = 0; tick < LEISURE_TICKS; tick++) {
      for (let nth = 0; nth < LEISURE_BATCH; nth++) store.append(makeReading(tick * LEISURE_BATCH + nth));
      await sleep(LEISURE_TICK_MS);
    }
    turns.disable();
    longestMs.push(turns.max / 1e6);
  }
  await store.close();
  rmSync(path, { recursive: true });
  return longestMs;
}

function makeReading(nth: number): Uint8Array {
  const isEvent = nth % EVENT_EVERY === 0;
  return encodeSample({
    topic: isEvent ? "event/actuator" : `telemetry/sensor-${nth % SENSORS}`,
    wallMs: 1_780_000_000_000 + nth * 1_250,
    monotonicMs: nth * 1_250,
    bootId: "9f2c41aa",
    synced: true,
    historical: true,
    fieldsJson: fieldsToJson(isEvent ? { actuator: "fan", state: "on", cause: "rule" } : reading(nth)),
  });
}

function reading(nth: number) {
  const wave = Math.sin(nth / 40);
  return {
    temperature: Math.round((20 + 5 * wave) * 100) / 100,
    humidity: Math.round((60 - 10 * wave) * 10) / 10,
    pressure: Math.round((1013 + 3 * wave) * 100) / 100,
  };
}
