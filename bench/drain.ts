import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { withBroker } from "./broker.ts";
import type { Part } from "./figure.ts";
import { runNode } from "./node-process.ts";
import { makeRecord, openStore, RECORD_BYTES } from "./store.ts";

const PAIRS = 10;
const RECORDS = 65_000;
const WINDOW = 64;
const MIN_RATIO = 0.9;

/** After an outage: how fast what has piled up on disk reaches the broker. */
export const drain: Part = {
  name: "drain",
  title: `${RECORDS} records of ${RECORD_BYTES} bytes from disk to mosquitto, ${WINDOW} in flight, QoS 1, MQTT 5, ${PAIRS} pairs`,
  async measure(bench) {
    const full = join(bench.folder, "drain-full");
    const store = await openStore(full);
    const record = makeRecord();
    for (let count = 0; count < RECORDS; count++) store.append(record);
    await store.close();

    const ours: Run[] = [];
    const raw: Run[] = [];
    await withBroker({ maxInflight: WINDOW, extra: ["max_queued_messages 0"] }, async (broker) => {
      for (let pair = 0; pair < PAIRS; pair++) {
        const sides = [
          ["drain-mqttjs.mjs", raw],
          ["drain-fieldpost.mjs", ours],
        ] as const;
        // Each goes first as often as the other: what drifts must not favour one.
        for (const [program, runs] of pair % 2 === 0 ? sides : sides.toReversed()) {
          const copy = join(bench.folder, "drain-copy");
          cpSync(full, copy, { recursive: true });
          runs.push(await runSide(program, copy, broker.port));
          rmSync(copy, { recursive: true });
        }
        bench.progress(`drain: pair ${pair + 1}: ${(raw.at(-1)!.tookMs / ours.at(-1)!.tookMs).toFixed(3)}`);
      }
    });
    return {
      figures: [
        {
          name: "outbox, uplink and link",
          unit: "records/s",
          runs: ours.map(rateOf),
          beside: { name: "MQTT.js, payloads in memory", runs: raw.map(rateOf), as: "ratio" },
          target: { of: "comparison", bound: "at least", limit: MIN_RATIO },
        },
        {
          name: "processor time of the process",
          unit: "us/record",
          runs: ours.map(cpuOf),
          beside: { name: "MQTT.js", runs: raw.map(cpuOf), as: "ratio" },
        },
      ],
      notes: ["each side in a fresh process, from the first PUBLISH to the last PUBACK"],
    };
  },
};

interface Run {
  /** From the first PUBLISH to the last PUBACK. */
  readonly tookMs: number;
  /** Processor time of the publishing process meanwhile. */
  readonly cpuMs: number;
}

async function runSide(program: string, folder: string, port: number): Promise<Run> {
  const path = fileURLToPath(new URL(program, import.meta.url));
  return JSON.parse(await runNode([path, folder, String(port), String(RECORDS), String(WINDOW)])) as Run;
}

const rateOf = ({ tookMs }: Run) => (RECORDS * 1000) / tookMs;
const cpuOf = ({ cpuMs }: Run) => (cpuMs * 1000) / RECORDS;
