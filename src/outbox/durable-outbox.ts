import { strict as assert } from "node:assert";
import type { Clock } from "../device/clock.ts";
import type { Delivery } from "./delivery/delivery.ts";
import type { Losses } from "./delivery/losses.ts";
import type { Intake } from "./intake/intake.ts";
import { PIECE_PAUSE_MS, type Worker } from "./intake/worker.ts";
import type { Drop, Entry, Opening, Outbox, OutboxStatus, StoredRecord } from "./outbox.ts";
import { knownTimeMs } from "./segments/segment-format.ts";
import type { SegmentLog } from "./segments/segment-log.ts";
import { givenUpBeyond, storedIn, waitingBeyond, withoutAhead } from "./segments/stored.ts";
import type { ProgressFile } from "./state/progress.ts";
import { Waiters } from "./waiters.ts";
import type { Waiting } from "./young/waiting.ts";

const EXPIRY_CHECK_MS = 60_000;
/** Pause between attempts while the disk refuses reads. */
const REREAD_MS = 1000;

/** What an outbox is put together from. */
export interface Parts {
  readonly opening: Opening;
  readonly clock: Clock;
  readonly log: SegmentLog;
  readonly progress: ProgressFile;
  readonly waiting: Waiting;
  readonly losses: Losses;
  readonly delivery: Delivery;
  readonly intake: Intake;
  readonly worker: Worker;
  readonly maxRecordBytes: number;
  /** Why a tail that is configured is not used. */
  readonly tailFault: () => string | undefined;
  /** Gives files and folder back. */
  readonly release: () => void;
}

export class DurableOutbox implements Outbox {
  readonly #parts: Parts;
  readonly #waiters = new Waiters();
  #appended = 0;
  #appendedBytes = 0;
  /** No record beyond this number is there to peek. */
  #peekableSeq: number;
  #checkAtMs: number;
  #closed = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#peekableSeq = parts.waiting.lastRecord?.seq ?? parts.log.lastSeq;
    this.#checkAtMs = parts.clock.monotonicMs() + EXPIRY_CHECK_MS;
    parts.worker.start(
      () => {
        const { intake } = parts;
        return Math.min(intake.dueMs() ?? Infinity, intake.roomDueMs() ?? Infinity, this.#checkAtMs);
      },
      () => this.#work(),
    );
  }

  get opening(): Opening {
    return this.#parts.opening;
  }

  append(record: Uint8Array): number {
    const { intake, losses, delivery, maxRecordBytes } = this.#parts;
    this.#assertOpen();
    if (record.length > maxRecordBytes)
      throw new RangeError(`a record of ${record.length} bytes exceeds the limit of ${maxRecordBytes}`);
    const seq = intake.append(record);
    this.#appended++;
    this.#appendedBytes += record.length;
    if (intake.lastRecordSeq !== seq) return seq;
    if (losses.settle(seq)) delivery.save();
    this.#arrived(seq);
    return seq;
  }

  peek(from: number, count: number): readonly Entry[] {
    const { delivery } = this.#parts;
    this.#assertOpen();
    const entries = delivery.peek(from, count);
    this.#comeBack();
    if (entries.length === 0 && count > 0 && !delivery.isHeldUpAt(from))
      this.#peekableSeq = Math.min(this.#peekableSeq, from - 1);
    return entries;
  }

  ack(seq: number): void {
    this.#assertGiven(seq);
    this.#parts.delivery.ack(seq);
  }

  ackAhead(fromSeq: number, toSeq: number): void {
    this.#assertGiven(toSeq);
    assert(fromSeq <= toSeq, `${fromSeq} comes after ${toSeq}`);
    this.#parts.delivery.ackAhead({ fromSeq, toSeq });
  }

  canAckAhead(): boolean {
    return !this.#parts.delivery.ahead.full;
  }

  history(fromSeq: number, toSeq: number): IterableIterator<StoredRecord> {
    this.#assertOpen();
    return this.#parts.delivery.history({ fromSeq, toSeq });
  }

  drop(seq: number): number {
    this.#assertGiven(seq);
    const count = this.#parts.delivery.drop(seq);
    this.#comeBack();
    return count;
  }

  available(seq: number, signal: AbortSignal): Promise<void> {
    const { delivery } = this.#parts;
    const wanted = Math.max(seq, delivery.ackedSeq + 1);
    if (wanted <= this.#peekableSeq && !delivery.isHeldUpAt(wanted)) return Promise.resolve();
    return this.#waiters.wait(wanted, signal);
  }

  takeDrops(): readonly Drop[] {
    return this.#parts.losses.take();
  }

  async sync(): Promise<void> {
    const { intake } = this.#parts;
    this.#assertOpen();
    await intake.work();
    if (intake.fault !== undefined) throw new Error(`the outbox cannot be made durable: ${intake.fault}`);
  }

  status(): OutboxStatus {
    const { log, waiting, losses, delivery, intake, progress } = this.#parts;
    const head = delivery.head();
    const oldest = head?.oldest ?? waiting.oldestRecord;
    const onDisk = head ? waitingBeyond(head, log.segments, log) : storedIn(log.segments, log);
    const aheadLeftOut = delivery.aheadLeftOut();
    const left = withoutAhead(
      {
        records: onDisk.records + waiting.records,
        payloadBytes: onDisk.payloadBytes + waiting.payloadBytes,
      },
      delivery.ahead.size - aheadLeftOut,
    );
    return {
      depth: left.records,
      depthBytes: left.payloadBytes,
      diskBytes: log.diskBytes,
      stored: storedIn(log.segments, log),
      givenUp: head ? givenUpBeyond(head, delivery.ackedSeq, log.segments, log) - aheadLeftOut : 0,
      firstSeq: oldest?.seq,
      nextSeq: intake.nextSeq,
      oldestWallMs: knownTimeMs(oldest),
      appended: this.#appended,
      appendedBytes: this.#appendedBytes,
      acknowledged: delivery.acknowledged,
      dropped: losses.total,
      syncedSeq: intake.syncedSeq,
      tailFault: this.#parts.tailFault(),
      fault: intake.fault ?? delivery.fault ?? progress.fault,
    };
  }

  async close(): Promise<void> {
    const { intake, losses, delivery, waiting, worker, release, progress } = this.#parts;
    if (this.#closed) return;
    this.#closed = true;
    await worker.stop();
    try {
      while (losses.settle(intake.nextSeq - 1));
      delivery.save();
      await intake.finish();
      progress.finish();
    } finally {
      release();
    }
    if (intake.fault !== undefined)
      throw new Error(`${waiting.records} records could not be written: ${intake.fault}`);
  }

  async #work(): Promise<void> {
    const { clock, intake, delivery } = this.#parts;
    const nowMs = clock.monotonicMs();
    const dueMs = intake.dueMs();
    if (dueMs !== undefined && dueMs <= nowMs) await intake.work();
    const roomDueMs = intake.roomDueMs();
    if (roomDueMs !== undefined && roomDueMs <= nowMs) await intake.makeRoom();
    if (nowMs < this.#checkAtMs) return;
    this.#checkAtMs = nowMs + EXPIRY_CHECK_MS;
    delivery.retry();
    delivery.expire();
    this.#comeBack();
    this.#wake();
  }

  /** Looks again before long where the disk could not be read, or where more of what is too old is there. */
  #comeBack(): void {
    const { clock, delivery, worker } = this.#parts;
    if (!delivery.isHeldUpAt(0)) return;
    const pauseMs = delivery.blocked ? REREAD_MS : PIECE_PAUSE_MS;
    this.#checkAtMs = Math.min(this.#checkAtMs, clock.monotonicMs() + pauseMs);
    worker.wake();
  }

  #arrived(seq: number): void {
    this.#peekableSeq = seq;
    this.#wake();
  }

  #wake(): void {
    this.#waiters.come(this.#peekableSeq, (seq) => this.#parts.delivery.isHeldUpAt(seq));
  }

  #assertGiven(seq: number): void {
    this.#assertOpen();
    assert(Number.isSafeInteger(seq) && seq < this.#parts.intake.nextSeq, `${seq} was never appended`);
  }

  #assertOpen(): void {
    assert(!this.#closed, "the outbox is closed");
  }
}
