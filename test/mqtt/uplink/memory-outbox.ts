import type { Entry, Outbox, StoredRecord } from "../../../src/outbox/outbox.ts";
import { encodeSample } from "../../../src/record/record.ts";

/** An outbox that keeps its records in memory, and says what was acknowledged. */
export interface MemoryOutbox extends Outbox {
  /** The records still there, in order. */
  readonly entries: Entry[];
}

export function memoryOutbox(): MemoryOutbox {
  const entries: Entry[] = [];
  const stored: Entry[] = [];
  let nextSeq = 1;
  let acknowledged = 0;
  const waiting: (() => void)[] = [];
  return {
    entries,
    opening: { stream: "00000001", run: 1, lastEnd: "none" },
    append(record) {
      const entry = { seq: nextSeq, record };
      entries.push(entry);
      stored.push(entry);
      for (const wake of waiting.splice(0)) wake();
      return nextSeq++;
    },
    peek(from, count) {
      const at = entries.findIndex(({ seq }) => seq >= from);
      return at < 0 ? [] : entries.slice(at, at + count);
    },
    ack(seq) {
      while ((entries[0]?.seq ?? nextSeq) <= seq) {
        entries.shift();
        acknowledged++;
      }
    },
    ackAhead(fromSeq, toSeq) {
      const kept = entries.filter(({ seq }) => seq < fromSeq || seq > toSeq);
      acknowledged += entries.length - kept.length;
      entries.splice(0, entries.length, ...kept);
    },
    canAckAhead: () => true,
    *history(fromSeq, toSeq): IterableIterator<StoredRecord> {
      for (const entry of stored)
        if (entry.seq >= fromSeq && entry.seq <= toSeq)
          yield { ...entry, acknowledged: !entries.some(({ seq }) => seq === entry.seq) };
    },
    drop(seq) {
      const kept = entries.filter((entry) => entry.seq > seq);
      const count = entries.length - kept.length;
      entries.splice(0, entries.length, ...kept);
      return count;
    },
    async available(seq, signal) {
      while (!signal.aborted && (entries.at(-1)?.seq ?? 0) < Math.max(1, seq)) {
        await new Promise<void>((resolve) => {
          const done = () => {
            signal.removeEventListener("abort", done);
            resolve();
          };
          waiting.push(done);
          signal.addEventListener("abort", done, { once: true });
        });
      }
    },
    takeDrops: () => [],
    async sync() {},
    status: () => ({
      depth: entries.length,
      depthBytes: entries.reduce((sum, { record }) => sum + record.length, 0),
      diskBytes: 0,
      givenUp: 0,
      stored: { records: 0, payloadBytes: 0, bytes: 0 },
      firstSeq: entries[0]?.seq,
      nextSeq,
      oldestWallMs: undefined,
      appended: nextSeq - 1,
      appendedBytes: 0,
      acknowledged,
      dropped: 0,
      syncedSeq: nextSeq - 1,
      tailFault: undefined,
      fault: undefined,
    }),
    async close() {},
  };
}

/** A record of one reading. */
export function reading(value: number, topic = "telemetry/air"): Uint8Array {
  return encodeSample({
    topic,
    wallMs: 1_700_000_000_000 + value,
    monotonicMs: value,
    bootId: "5eed0001",
    synced: true,
    historical: false,
    fieldsJson: `"value":${value}`,
  });
}
