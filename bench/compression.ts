import { seededRandom } from "../src/device/random.ts";
import { VirtualClock } from "../src/device/sim/clock.ts";
import { packBlock, unpackBlock } from "../src/outbox/segments/block.ts";
import { type LogEntry, storedBytes } from "../src/outbox/segments/segment-format.ts";
import { encodeSample, fieldsToJson } from "../src/record/record.ts";
import type { Figure, Part } from "./figure.ts";

const RECORDS = 8_000;
const ROUNDS = 5;
/** Records that move to flash together: `sync_after` times the rate. */
const TOGETHER = [2, 10, 40, 200] as const;

/** A node's readings: random walks with the noise and the resolution of the chips, each sensor every ten seconds. */
function readings(count: number, kinds: readonly (keyof typeof SENSORS)[]): LogEntry[] {
  const random = seededRandom(7);
  const clock = new VirtualClock({ wallMs: Date.UTC(2026, 0) });
  const state = new Map<string, number>();
  const walk = (name: string, start: number, step: number, noise: number, digits: number) => {
    const at = (state.get(name) ?? start) + (random() - 0.5) * step;
    state.set(name, at);
    return Number((at + (random() - 0.5) * noise).toFixed(digits));
  };
  const entries: LogEntry[] = [];
  for (let seq = 1; seq <= count; seq++) {
    const kind = kinds[seq % kinds.length]!;
    const monotonicMs = Math.floor(seq / kinds.length) * 10_000 + random() * 8;
    const payload = encodeSample({
      topic: `telemetry/${kind}`,
      wallMs: clock.wallMs() + monotonicMs,
      monotonicMs: 1_234_567.891 + monotonicMs,
      bootId: "9f2c41aa",
      synced: true,
      historical: true,
      fieldsJson: fieldsToJson(SENSORS[kind](walk)),
    });
    entries.push({
      kind: "record",
      fromSeq: seq,
      seq,
      wallMs: clock.wallMs() + Math.round(monotonicMs),
      payload,
    });
  }
  return entries;
}

type Walk = (name: string, start: number, step: number, noise: number, digits: number) => number;

const SENSORS = {
  air: (walk: Walk) => ({
    temperature: walk("t", 21, 0.02, 0.04, 2),
    humidity: walk("h", 48, 0.05, 0.2, 1),
    pressure: walk("p", 1013, 0.01, 0.1, 2),
  }),
  soil: (walk: Walk) => ({ temperature: walk("s", 17, 0.01, 0.06, 2) }),
  power: (walk: Walk) => ({
    voltage: walk("v", 12.6, 0.01, 0.02, 3),
    current: walk("c", 0.8, 0.05, 0.02, 3),
    power: walk("w", 10, 0.5, 0.3, 2),
  }),
  light: (walk: Walk) => ({ illuminance: walk("l", 450, 8, 4, 1) }),
} satisfies Record<string, (walk: Walk) => Record<string, number>>;

/** The same bytes without anything that repeats. */
function noise(count: number): LogEntry[] {
  const random = seededRandom(8);
  return Array.from({ length: count }, (_, nth) => {
    const payload = Uint8Array.from({ length: 120 }, () => Math.floor(random() * 256));
    return { kind: "record", fromSeq: nth + 1, seq: nth + 1, wallMs: 1_767_225_600_000 + nth, payload };
  });
}

const apartBytes = (records: readonly LogEntry[]) =>
  records.reduce((sum, { payload }) => sum + storedBytes(payload.length), 0);

/** What storing records in compressed blocks saves and costs. */
export const compression: Part = {
  name: "compression",
  title: "records moved to flash as one compressed block, beside as many alone",
  async measure({ progress }) {
    progress("compression");
    const mixes = {
      "one BME280": readings(RECORDS, ["air"]),
      "four sensors": readings(RECORDS, ["air", "soil", "power", "light"]),
      "random bytes": noise(RECORDS),
    };
    const figures = Object.entries(mixes).flatMap(([name, records]) =>
      TOGETHER.flatMap((together) => measureMix(`${name}, ${together} together`, records, together)),
    );
    return {
      figures,
      notes: ["simulated walks with the noise and the resolution of the chips; zlib's level 6"],
    };
  },
};

function measureMix(name: string, records: readonly LogEntry[], together: number): Figure[] {
  const batches = Array.from({ length: Math.floor(records.length / together) }, (_, nth) =>
    records.slice(nth * together, (nth + 1) * together),
  );
  const blocks = batches.map((batch) => packBlock(batch));
  const bytesOf = (block: LogEntry | undefined, nth: number) =>
    block ? storedBytes(block.payload.length) : apartBytes(batches[nth]!);
  const bytes = blocks.reduce((sum, block, nth) => sum + bytesOf(block, nth), 0);
  const count = batches.length * together;
  const each = (work: () => void) => rounds().map(() => (milliseconds(work) * 1000) / count);
  const pack = each(() => {
    for (const batch of batches) packBlock(batch);
  });
  const unpack = each(() => {
    for (const block of blocks) if (block) unpackBlock(block, "thinned");
  });
  const alone = apartBytes(batches.flat()) / count;
  return [
    {
      name: `${name}: stored`,
      unit: "bytes/record",
      runs: [bytes / count],
      beside: { name: "alone", runs: [alone], as: "ratio" },
    },
    { name: `${name}: CPU to pack`, unit: "us/record", runs: pack },
    { name: `${name}: CPU to unpack`, unit: "us/record", runs: unpack },
  ];
}

const rounds = () => Array.from({ length: ROUNDS }, (_, nth) => nth);

function milliseconds(work: () => void): number {
  const startMs = performance.now();
  work();
  return performance.now() - startMs;
}
