import { mkdirSync, rmSync } from "node:fs";
import { mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connectAsync } from "mqtt";
import { encodeSample, fieldsToJson } from "../src/record/record.ts";
import { withBroker } from "./broker.ts";
import type { Bench, Figure, Findings, Part } from "./figure.ts";
import { type LoopDisk, mountLoopDisk } from "./loop-disk.ts";
import { startNode } from "./node-process.ts";
import { memoryFolder, undoAtExit } from "./scratch.ts";
import { makeRecord, openStore, RECORD_BYTES } from "./store.ts";

const MINUTES = 10;
const SENSORS = 10;
const SETTLE_MS = 10_000;
/** Two segments (of 1 MiB) full: from then on there is always one to be used again. */
const RECORDS_BEFORE = (2 * 1024 ** 2) / RECORD_BYTES;

/** What of a day's records reaches the flash while a broker takes them: a whole node, in real time. */
export const flashOnline: Part = {
  name: "flash-online",
  title: `bytes that reach an ext4 block device for each byte of record; ${SENSORS} records/s, each acknowledged by mosquitto`,
  onRequest: true,
  measure: (bench) => withBroker({}, (broker) => measureTiers(bench, broker.port)),
};

interface Tier {
  readonly name: string;
  readonly device: string;
  /** Lines of `buffer:`. */
  readonly buffer?: string;
  /** mount(8) options of the disk, beside the defaults. */
  readonly mountOptions?: readonly string[];
  readonly maxRatio: number;
}

async function measureTiers(bench: Bench, port: number): Promise<Findings> {
  const minutes = bench.minutes ?? MINUTES;
  const tiers: Tier[] = [
    { name: "without a tail", device: "flash", maxRatio: 2 },
    // Each write(2) sets a file's time, and so ext4 commits its journal every 5 s: three blocks (descriptor, inodes, commit
    // record), which by themselves are more than twice the records of that time.
    { name: "without a tail, commit=60", device: "commit", mountOptions: ["commit=60"], maxRatio: 2 },
  ];
  const notes: string[] = [];
  const tail = await makeTailFolder();
  if (tail === undefined) notes.push("with a tail: not measured here: no folder in memory");
  else tiers.push({ name: "with a tail", device: "tail", buffer: `tail: ${tail}`, maxRatio: 0.1 });
  // At the same time, each on a disk of its own.
  const outcomes = await Promise.allSettled(tiers.map((tier) => measureTier(bench, port, tier, minutes)));
  const figures = outcomes.flatMap((outcome, at) => {
    if (outcome.status === "fulfilled" && outcome.value !== undefined) return outcome.value;
    const why =
      outcome.status === "rejected"
        ? (outcome.reason as Error).message.trim()
        : "needs root and a loop device";
    notes.push(`${tiers[at]!.name}: not measured: ${why}`);
    return [];
  });
  return {
    figures,
    notes: [
      ...notes,
      `${minutes} minutes in real time, of ${MINUTES}; ten host sensors at 1 Hz; segments in use again, as they are once an outbox has been longer`,
      "each write(2), and a kill of the process spares only what was written, sets the file's time: by ext4's defaults that alone costs 12 KiB of journal in 5 s, and 16 where the inodes are in two blocks, which is more than twice what ten such records a second come to",
      "records as the outbox stores them; everything that the file system wrote counts, its journal too, and what was still in memory at the end",
    ],
  };
}

/** Undefined where this machine has no folder in memory. */
async function makeTailFolder(): Promise<string | undefined> {
  const parent = memoryFolder();
  if (parent === undefined) return undefined;
  const folder = await mkdtemp(join(parent, "fieldpost-bench-"));
  undoAtExit(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function measureTier(
  bench: Bench,
  port: number,
  tier: Tier,
  minutes: number,
): Promise<Figure[] | undefined> {
  const scratch = join(bench.folder, tier.device);
  mkdirSync(scratch);
  const disk = mountLoopDisk(scratch, tier.mountOptions);
  if (disk === undefined) return undefined;
  try {
    const path = join(disk.folder, "outbox");
    await useRoom(path);
    const config = join(scratch, "node.yaml");
    await writeFile(config, yaml(tier, port, path));
    const ended = new AbortController();
    const node = startNode([bench.bundle, "run", "--config", config]);
    try {
      return await node.during(watch({ bench, disk, port, tier, minutes, signal: ended.signal }));
    } finally {
      ended.abort();
      await node.end();
    }
  } finally {
    disk.remove();
  }
}

/** An outbox that has been longer once. */
async function useRoom(path: string): Promise<void> {
  const store = await openStore(path);
  const record = makeRecord();
  let last = 0;
  for (let count = 0; count < RECORDS_BEFORE; count++) last = store.append(record);
  store.ack(last);
  await store.close();
}

const yaml = ({ device, buffer = "" }: Tier, port: number, path: string) => `
device: { id: ${device} }
mqtt: { url: "mqtt://127.0.0.1:${port}" }
telemetry: { interval: 1s }
buffer:
  path: ${path}
  ${buffer}
sensors:
${Array.from({ length: SENSORS }, (_, index) => `  - { id: h${index}, driver: host }`).join("\n")}
`;

interface Watched {
  readonly bench: Bench;
  readonly disk: LoopDisk;
  readonly port: number;
  readonly tier: Tier;
  readonly minutes: number;
  readonly signal: AbortSignal;
}

async function watch({ bench, disk, port, tier, minutes, signal }: Watched): Promise<Figure[]> {
  let records = 0;
  let recordBytes = 0;
  const client = await connectAsync({
    host: "127.0.0.1",
    port,
    protocolVersion: 5,
    clientId: `${tier.device}-watch`,
  });
  client.on("message", (topic, payload) => {
    records++;
    recordBytes += storedBytes(topic.split("/").slice(2).join("/"), payload);
  });
  const root = `fieldpost/${tier.device}`;
  await client.subscribeAsync([`${root}/telemetry/#`, `${root}/event/#`], { qos: 1 });
  try {
    await sleep(SETTLE_MS, undefined, { signal });
    const beforeBytes = disk.writtenBytes();
    const journalBeforeBytes = disk.journalBytes();
    records = recordBytes = 0;
    for (let minute = 0; minute < minutes; minute++) {
      await sleep(Math.min(1, minutes - minute) * 60_000, undefined, { signal });
      bench.progress(
        `flash-online: ${tier.name}: ${records} records after ${Math.min(minute + 1, minutes)} min`,
      );
    }
    const writtenBytes = disk.writtenBytes() - beforeBytes;
    const journalBytes = disk.journalBytes();
    if (records < minutes * 60 * SENSORS * 0.9)
      throw new Error(`only ${records} records arrived in ${minutes} minutes`);
    return [
      {
        name: `written, ${tier.name}`,
        unit: "bytes/byte",
        runs: [writtenBytes / recordBytes],
        target: { of: "figure", bound: "at most", limit: tier.maxRatio },
      },
      ...(journalBytes !== undefined && journalBeforeBytes !== undefined
        ? [
            {
              name: `of it ext4's journal, at least, ${tier.name}`,
              unit: "bytes/byte",
              runs: [(journalBytes - journalBeforeBytes) / recordBytes],
            },
          ]
        : []),
      {
        name: `the same a day, ${tier.name}`,
        unit: "MB",
        runs: [((writtenBytes / minutes) * (24 * 60)) / 1e6],
      },
      { name: `a record, ${tier.name}`, unit: "bytes", runs: [recordBytes / records] },
    ];
  } finally {
    await client.endAsync();
  }
}

/** How long the record was in the outbox that arrived as this message. */
function storedBytes(topic: string, payload: Buffer): number {
  const { seq: _, time: __, clock: ___, historical: ____, ...fields } = JSON.parse(payload.toString());
  return encodeSample({
    topic,
    wallMs: 0,
    monotonicMs: 0,
    bootId: "00000000",
    synced: true,
    historical: false,
    fieldsJson: fieldsToJson(fields),
  }).length;
}
