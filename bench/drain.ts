import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { linuxClock } from "../src/device/linux/clock.ts";
import { toJson } from "../src/record/json.ts";
import { decodeSample } from "../src/record/record.ts";
import { sampleTime } from "../src/record/time.ts";
import { withBroker } from "./broker.ts";
import type { Figure, Part } from "./figure.ts";
import { runNode } from "./node-process.ts";
import { buildPaho, type PahoMessage } from "./peers/paho.ts";
import { makeRecord, openStore, RECORD_BYTES } from "./store.ts";

const PAIRS = 10;
const RECORDS = 65_000;
const WINDOW = 64;
/** What is held; the goal is 0.95, which runs on either side of by more than that. */
const MIN_RATIO = 0.9;
const GOAL_RATIO = 0.95;

/** paho.mqtt.golang is so slow with its file store that fewer runs of fewer messages tell enough. */
const PAHO_RUNS = 3;
const PAHO_MESSAGES = 15_000;
const MIN_PAHO_RATIO = 2;

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

    const built = buildPaho(bench.folder);
    const paho = typeof built === "string" ? undefined : built;
    const message = messageOf(record);

    const ours: Run[] = [];
    const raw: Run[] = [];
    const go: Run[] = [];
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
        if (paho !== undefined && pair < PAHO_RUNS)
          go.push({
            ...(await paho.publish(broker.port, PAHO_MESSAGES, WINDOW, message)),
            records: PAHO_MESSAGES,
          });
        bench.progress(`drain: pair ${pair + 1}: ${(raw.at(-1)!.tookMs / ours.at(-1)!.tookMs).toFixed(3)}`);
      }
    });
    const beside = (name: string, runs: readonly Run[], of: (run: Run) => number) =>
      ({ name, runs: runs.map(of), as: "ratio" }) as const;
    const compare = (name: string, unit: string, of: (run: Run) => number): Figure[] => [
      { name, unit, runs: ours.map(of), beside: beside("MQTT.js, payloads in memory", raw, of) },
      ...(go.length > 0
        ? [
            {
              name,
              unit,
              runs: ours.slice(0, PAHO_RUNS).map(of),
              beside: beside("paho.mqtt.golang, file store", go, of),
            },
          ]
        : []),
    ];
    const limits = [MIN_RATIO, MIN_PAHO_RATIO];
    return {
      figures: [
        ...compare("outbox, uplink and link", "records/s", rateOf).map((figure, at) => ({
          ...figure,
          target: { of: "comparison", bound: "at least", limit: limits[at]! } as const,
        })),
        ...compare("processor time of the process", "us/record", cpuOf),
        ...compare("from the link's CONNACK to the first PUBACK", "ms", ({ firstMs }) => firstMs),
      ],
      notes: [
        `the goal beside MQTT.js is x ${GOAL_RATIO}`,
        "each side in a fresh process, from the first PUBLISH to the last PUBACK",
        typeof built === "string"
          ? built
          : `paho.mqtt.golang: ${PAHO_MESSAGES} of the same messages, MQTT 3.1.1, ${PAHO_RUNS} runs beside the first pairs`,
      ],
    };
  },
};

interface Run {
  /** From the first PUBLISH to the last PUBACK. */
  readonly tookMs: number;
  /** Processor time of the publishing process meanwhile. */
  readonly cpuMs: number;
  /** From the CONNACK to the first PUBACK. */
  readonly firstMs: number;
  readonly records: number;
}

async function runSide(program: string, folder: string, port: number): Promise<Run> {
  const path = fileURLToPath(new URL(program, import.meta.url));
  const run = JSON.parse(
    await runNode([path, folder, String(port), String(RECORDS), String(WINDOW)]),
  ) as Omit<Run, "records">;
  return { ...run, records: RECORDS };
}

/** What the broker gets for a record. */
function messageOf(record: Uint8Array): PahoMessage {
  const sample = decodeSample(record);
  const json = toJson(1, sampleTime(sample, linuxClock()), sample);
  return { topic: `fieldpost/bench/${sample.topic}`, payload: json };
}

const rateOf = ({ tookMs, records }: Run) => (records * 1000) / tookMs;
const cpuOf = ({ cpuMs, records }: Run) => (cpuMs * 1000) / records;
