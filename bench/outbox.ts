import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Outbox } from "../src/outbox/outbox.ts";
import type { Bench, Figure, Part } from "./figure.ts";
import { makeRecord, openStore, RECORD_BYTES } from "./store.ts";

const ROUNDS = 7;
const RECORDS = 100_000;
const SYNCED_RECORDS = 200;
const WINDOW = 64;
const BACKLOG_BYTES = 100_000_000;

/** What the outbox takes and gives, without a broker. */
export const outbox: Part = {
  name: "outbox",
  title: `${RECORD_BYTES}-byte records, on disk, ${ROUNDS} rounds`,
  async measure(bench) {
    const flood = await floodAndDrain(bench);
    bench.progress("outbox: opening");
    return { figures: [...flood, await syncEach(bench), await openWithBacklog(bench)] };
  },
};

async function floodAndDrain(bench: Bench): Promise<Figure[]> {
  const record = makeRecord();
  const appends: number[] = [];
  const drains: number[] = [];
  const writes: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    writes.push(perSecond(RECORDS, () => writeFile(bench, record, RECORDS, false)));
    const path = join(bench.folder, "outbox-flood");
    const store = await openStore(path);
    appends.push(
      perSecond(RECORDS, () => {
        for (let count = 0; count < RECORDS; count++) store.append(record);
      }),
    );
    drains.push(perSecond(RECORDS, () => drainAll(store)));
    await store.close();
    rmSync(path, { recursive: true });
  }
  return [
    {
      name: "append, not synced",
      unit: "records/s",
      runs: appends,
      beside: { name: "bare write(2)", runs: writes, as: "ratio" },
    },
    { name: `drain (peek and ack, ${WINDOW} at a time)`, unit: "records/s", runs: drains },
  ];
}

function drainAll(store: Outbox): void {
  for (let next = 1; ; ) {
    const entries = store.peek(next, WINDOW);
    const last = entries.at(-1);
    if (last === undefined) return;
    store.ack(last.seq);
    next = last.seq + 1;
  }
}

/** `sync_after: 0s`: each record is on flash before the next. */
async function syncEach(bench: Bench): Promise<Figure> {
  const record = makeRecord();
  const appends: number[] = [];
  const writes: number[] = [];
  const path = join(bench.folder, "outbox-synced");
  const store = await openStore(path, { syncAfterMs: 0 });
  store.append(record);
  for (let round = 0; round < ROUNDS; round++) {
    writes.push(perSecond(SYNCED_RECORDS, () => writeFile(bench, record, SYNCED_RECORDS, true)));
    appends.push(
      perSecond(SYNCED_RECORDS, () => {
        for (let count = 0; count < SYNCED_RECORDS; count++) store.append(record);
      }),
    );
  }
  await store.close();
  return {
    name: "append, sync_after 0s",
    unit: "records/s",
    runs: appends,
    beside: { name: "write and fdatasync, growing file", runs: writes, as: "ratio" },
  };
}

async function openWithBacklog(bench: Bench): Promise<Figure> {
  const full = join(bench.folder, "outbox-backlog");
  const empty = join(bench.folder, "outbox-empty");
  const record = makeRecord();
  const store = await openStore(full);
  for (let bytes = 0; bytes < BACKLOG_BYTES; bytes += RECORD_BYTES) store.append(record);
  await store.close();
  await (await openStore(empty)).close();
  const opens: number[] = [];
  const besideOpens: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    besideOpens.push(await openMs(empty));
    opens.push(await openMs(full));
  }
  rmSync(full, { recursive: true });
  return {
    name: `open, ${BACKLOG_BYTES / 1e6} MB waiting`,
    unit: "ms",
    runs: opens,
    beside: { name: "open, empty", runs: besideOpens, as: "ratio" },
  };
}

async function openMs(path: string): Promise<number> {
  const startMs = performance.now();
  const store = await openStore(path);
  const ms = performance.now() - startMs;
  await store.close();
  return ms;
}

/** What a program without an outbox would do: append to a file. */
function writeFile(bench: Bench, record: Uint8Array, count: number, sync: boolean): void {
  const path = join(bench.folder, "plain-file");
  const fd = openSync(path, "w");
  for (let index = 0; index < count; index++) {
    writeSync(fd, record, 0, record.length, index * record.length);
    if (sync) fdatasyncSync(fd);
  }
  closeSync(fd);
  rmSync(path);
}

function perSecond(count: number, work: () => void): number {
  const startMs = performance.now();
  work();
  return (count * 1000) / (performance.now() - startMs);
}
