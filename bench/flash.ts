import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { VirtualClock } from "../src/device/sim/clock.ts";
import type { Figure, Part } from "./figure.ts";
import { type LoopDisk, mountLoopDisk } from "./loop-disk.ts";
import { makeRecord, openStore, RECORD_BYTES } from "./store.ts";

const COMMITS = 200;
/** So many runs; a run is {@link COMMITS} commits. */
const ROUNDS = 3;
const TOGETHER = [1, 10, 100] as const;
/** So that a round goes through many segments. */
const GROWING_TOGETHER = 100;
const MAX_BYTES_ALONE = 8_192;

const ONLINE_MINUTES = 10;
const SENSORS = 10;
/** How long Linux keeps a page before it writes it out by itself (`vm.dirty_expire_centisecs`), seconds. */
const WRITEBACK_S = 30;

/** Two segments (of 1 MiB) full: from then on there is always one to be used again. */
const RECORDS_BEFORE = (2 * 1024 ** 2) / RECORD_BYTES;

/** What of a record reaches the flash, which dies of it. */
export const flash: Part = {
  name: "flash",
  title: `bytes that reach an ext4 block device for each ${RECORD_BYTES}-byte record`,
  async measure(bench) {
    const disk = mountLoopDisk(bench.folder);
    if (disk === undefined)
      return { figures: [], notes: ["not measured here: needs root and a loop device"] };
    try {
      const figures: Figure[] = [];
      for (const together of TOGETHER) {
        bench.progress(`flash: ${together} made durable together`);
        figures.push(await durableTogether(disk, together));
      }
      return {
        figures: [...figures, await growing(disk), await online(disk)],
        notes: [
          "all but the outage: segments in use again, as they are once an outbox has been longer",
          `online: ${ONLINE_MINUTES} virtual minutes of ${SENSORS} sensors at 1 Hz, each record acknowledged within sync_after; the kernel writes back every ${WRITEBACK_S} s`,
        ],
      };
    } finally {
      disk.remove();
    }
  },
};

async function durableTogether(disk: LoopDisk, together: number): Promise<Figure> {
  const record = makeRecord();
  const store = await openStore(join(disk.folder, `outbox-${together}`));
  let last = 0;
  const appendSome = (count: number) => {
    for (let index = 0; index < count; index++) last = store.append(record);
  };
  appendSome(RECORDS_BEFORE);
  store.ack(last);
  const fd = openSync(join(disk.folder, `file-${together}`), "w");
  const ours: number[] = [];
  const plain: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    plain.push(
      await bytesPerRecord(disk, together, async () => {
        for (let index = 0; index < together; index++) writeSync(fd, record);
        fdatasyncSync(fd);
      }),
    );
    ours.push(
      await bytesPerRecord(disk, together, async () => {
        appendSome(together);
        await store.sync();
        store.ack(last);
      }),
    );
  }
  closeSync(fd);
  await store.close();
  return {
    name: together === 1 ? "each made durable alone" : `${together} made durable together`,
    unit: "bytes/record",
    runs: ours,
    beside: { name: "append-only file", runs: plain, as: "ratio" },
    ...(together === 1 && { target: { of: "figure", bound: "at most", limit: MAX_BYTES_ALONE } }),
  };
}

/** An outage: nothing is acknowledged, so each segment is new and is filled with zeros before it holds records. */
async function growing(disk: LoopDisk): Promise<Figure> {
  const record = makeRecord();
  const store = await openStore(join(disk.folder, "outbox-growing"));
  const runs: number[] = [];
  for (let round = 0; round < ROUNDS; round++)
    runs.push(
      await bytesPerRecord(disk, GROWING_TOGETHER, async () => {
        for (let index = 0; index < GROWING_TOGETHER; index++) store.append(record);
        await store.sync();
      }),
    );
  await store.close();
  return { name: `outage: ${GROWING_TOGETHER} together, outbox growing`, unit: "bytes/record", runs };
}

async function bytesPerRecord(
  disk: LoopDisk,
  together: number,
  commit: () => Promise<void>,
): Promise<number> {
  const beforeBytes = disk.writtenBytes();
  for (let count = 0; count < COMMITS; count++) await commit();
  return (disk.writtenBytes() - beforeBytes) / (COMMITS * together);
}

/** A node with a broker: records leave before they would have to be made durable. */
async function online(disk: LoopDisk): Promise<Figure> {
  const clock = new VirtualClock({ wallMs: Date.UTC(2026, 0) });
  const store = await openStore(join(disk.folder, "outbox-online"), { syncAfterMs: 1_000 }, clock);
  const record = makeRecord();
  for (let count = 0; count < RECORDS_BEFORE; count++) store.ack(store.append(record));
  const runs: number[] = [];
  for (let minute = 0; minute < ONLINE_MINUTES; minute++) {
    const beforeBytes = disk.writtenBytes();
    for (let second = 1; second <= 60; second++) {
      for (let sensor = 0; sensor < SENSORS; sensor++) store.ack(store.append(record));
      await clock.advance(1_000);
      if (second % WRITEBACK_S === 0) disk.writtenBytes();
    }
    runs.push((disk.writtenBytes() - beforeBytes) / (60 * SENSORS));
  }
  await store.close();
  return { name: "online, nothing made durable", unit: "bytes/record", runs };
}
