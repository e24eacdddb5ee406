import type { Clock } from "../device/clock.ts";
import type { Delivery } from "./delivery.ts";
import { type FileLayer, isFileError } from "./files/files.ts";
import type { Losses } from "./losses.ts";
import type { ProgressFile } from "./progress.ts";
import { RESERVED_BLOCK } from "./recovery.ts";
import { entriesAfter } from "./salvage.ts";
import { GAP_BYTES, gap, storedBytes } from "./segment-format.ts";
import type { SegmentLog } from "./segment-log.ts";
import type { State, StateFile } from "./state.ts";
import { SyncSchedule } from "./sync-schedule.ts";
import type { Waiting } from "./waiting.ts";
import type { Worker } from "./worker.ts";

/** Numbers left when the next block is asked for. */
const RESERVE_AHEAD = RESERVED_BLOCK / 4;
const RETRY_MS = 1000;

export interface IntakeParts {
  readonly files: FileLayer;
  readonly clock: Clock;
  readonly log: SegmentLog;
  readonly state: StateFile;
  readonly progress: ProgressFile;
  readonly waiting: Waiting;
  readonly losses: Losses;
  readonly delivery: Delivery;
  /** Woken when something is due earlier than it thought. */
  readonly worker: Worker;
}

export interface IntakeOptions {
  readonly whenFull: "drop_oldest" | "drop_newest";
  readonly syncAfterMs: number;
}

/** Where a run begins, as far as the way in is concerned. */
export interface IntakeStart {
  readonly nextSeq: number;
  readonly syncedSeq: number;
  /** First of the numbers skipped before {@link nextSeq}; 0: none. */
  readonly skippedFromSeq: number;
}

/** The way in: numbers records, hands them to the kernel, and has them on flash when they have waited long enough. */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #parts: IntakeParts;
  readonly #schedule: SyncSchedule;
  readonly #skippedFromSeq: number;
  #nextSeq: number;
  #syncedSeq: number;
  /** The youngest record stored in this run or waiting to be; 0: none. */
  #lastRecordSeq = 0;
  /** A record of this run is in the log: what was skipped before it is told. */
  #stored = false;
  /** While set, records wait in memory. */
  #refusal: string | undefined;
  /** Why the last sync failed. Cleared when one succeeds. */
  #fault: string | undefined;
  #retryAtMs = 0;
  #syncing: Promise<void> | undefined;

  constructor(options: IntakeOptions, parts: IntakeParts, start: IntakeStart) {
    this.#options = options;
    this.#parts = parts;
    this.#nextSeq = start.nextSeq;
    this.#syncedSeq = start.syncedSeq;
    this.#skippedFromSeq = start.skippedFromSeq;
    this.#schedule = new SyncSchedule(options.syncAfterMs);
    if (parts.log.lastSeq > start.syncedSeq)
      this.#schedule.appended(start.syncedSeq + 1, parts.clock.monotonicMs());
  }

  get nextSeq(): number {
    return this.#nextSeq;
  }

  get syncedSeq(): number {
    return this.#syncedSeq;
  }

  get lastRecordSeq(): number {
    return this.#lastRecordSeq;
  }

  /** Set while the disk refuses writes or syncs. */
  get fault(): string | undefined {
    return this.#refusal ?? this.#fault;
  }

  /** Takes a record in and returns its number. Never fails: what the disk refuses waits in memory, within bounds. */
  append(record: Uint8Array): number {
    const seq = this.#nextSeq;
    this.#reserve(seq);
    this.#nextSeq = seq + 1;
    const wallMs = this.#parts.clock.wallMs();
    if (this.#refusal === undefined) this.#store(seq, wallMs, record);
    else this.#hold(seq, wallMs, record);
    return seq;
  }

  /** When the next sync or retry is due, in monotonic milliseconds; undefined: nothing to do. */
  dueMs(): number | undefined {
    if (this.fault !== undefined) return this.#retryAtMs;
    const doneSeq = Math.max(this.#syncedSeq, this.#parts.delivery.ackedSeq);
    return this.#schedule.dueMs(doneSeq, this.#parts.log.lastSeq);
  }

  /** Does what is due. */
  async work(): Promise<void> {
    if (this.#refusal !== undefined) this.#retry();
    if (this.#refusal === undefined) await this.sync();
  }

  /** Resolves when everything in the log is on flash, or when the disk has refused that: see {@link fault}. */
  async sync(): Promise<void> {
    while (this.#syncing !== undefined) await this.#syncing;
    this.#syncing = this.#syncOnce();
    try {
      await this.#syncing;
    } finally {
      this.#syncing = undefined;
    }
  }

  /** Last words: everything on flash, and the end marked as clean where it is. */
  async finish(): Promise<void> {
    if (this.#refusal !== undefined) this.#retry();
    if (this.#refusal === undefined) await this.sync();
    if (this.fault === undefined)
      this.#parts.state.writeNow({ ...this.#change(), clean: true, nextSeq: this.#nextSeq });
  }

  #reserve(seq: number): void {
    const { state } = this.#parts;
    if (seq + RESERVE_AHEAD <= state.durable.reservedSeq || this.#refusal !== undefined) return;
    if (seq <= state.durable.reservedSeq) {
      if (!state.writing) state.write(this.#change()).catch((error) => this.#refuse(error));
      return;
    }
    try {
      state.writeNow(this.#change());
    } catch (error) {
      this.#refuse(error);
    }
  }

  /** The state as it should be now. */
  #change(): Partial<State> {
    return {
      reservedSeq: Math.max(this.#parts.state.durable.reservedSeq, this.#nextSeq - 1 + RESERVED_BLOCK),
      ackedSeq: this.#parts.delivery.settledSeq,
      skippedFromSeq: this.#stored ? 0 : this.#skippedFromSeq,
      memoryOnly: this.#refusal !== undefined,
    };
  }

  #store(seq: number, wallMs: number, record: Uint8Array): void {
    const { log, losses, waiting } = this.#parts;
    const bytes = storedBytes(record.length);
    try {
      // A gap goes in only together with a record: else each one turned away would leave its own.
      const together =
        waiting.first === undefined || this.#makeRoom(bytes + GAP_BYTES, waiting.first.fromSeq);
      if (!together || !this.#writeWaiting() || !this.#makeRoom(bytes, seq)) {
        this.#turnAway(seq);
        return;
      }
      log.writeRecord(seq, wallMs, record);
    } catch (error) {
      this.#refuse(error);
      this.#hold(seq, wallMs, record);
      return;
    }
    losses.end();
    this.#stored = true;
    this.#lastRecordSeq = seq;
    if (this.#options.syncAfterMs === 0) this.#syncNow();
    else this.#scheduleSync(seq);
  }

  /** Writes what belongs before the next record. False: no room for it. */
  #writeWaiting(): boolean {
    const { log, waiting, progress } = this.#parts;
    if (waiting.empty) return true;
    for (let entry = waiting.first; entry !== undefined; entry = waiting.first) {
      const bytes = entry.kind === "record" ? storedBytes(entry.payload.length) : GAP_BYTES;
      if (!this.#makeRoom(bytes, entry.fromSeq)) return false;
      log.write(entry);
      this.#stored ||= entry.kind === "record";
      waiting.shift();
    }
    progress.update({ lostFromSeq: 0, lostToSeq: 0 });
    return true;
  }

  /** False: the log is full, and older records are not to be given up. */
  #makeRoom(bytes: number, firstSeq: number): boolean {
    const { log, delivery } = this.#parts;
    if (log.fits(bytes, firstSeq)) return true;
    this.#secureAcked();
    if (log.advance(firstSeq, delivery.settledSeq)) return true;
    // Only now what lies behind a loss not told yet: a restart would take it for lost too.
    if (log.advance(firstSeq, delivery.ackedSeq)) return true;
    if (this.#options.whenFull === "drop_newest") return false;
    do {
      if (log.segments.length === 1) log.abandon();
      delivery.discard(log.segments[0]!);
    } while (!log.advance(firstSeq, delivery.ackedSeq));
    return true;
  }

  /**
   * Before acknowledged records are overwritten it must be on flash that they were: else a power cut could bring back
   * an older acknowledged number, and their absence would be taken for a loss.
   */
  #secureAcked(): void {
    const { log, state, delivery } = this.#parts;
    const reusable = log.reusable(delivery.settledSeq);
    if (reusable !== undefined && reusable.lastSeq > state.durable.ackedSeq) state.writeNow(this.#change());
  }

  /** `drop_newest`: the record's number is used up, and the log will tell so when there is room again. */
  #turnAway(seq: number): void {
    this.#parts.waiting.push(gap("full", seq, seq));
    this.#lose(seq);
  }

  #hold(seq: number, wallMs: number, record: Uint8Array): void {
    this.#parts.waiting.push({ kind: "record", fromSeq: seq, seq, wallMs, payload: Uint8Array.from(record) });
    this.#lastRecordSeq = seq;
    this.#parts.waiting.shed((lostSeq) => this.#lose(lostSeq));
  }

  #lose(seq: number): void {
    const { losses, waiting, progress } = this.#parts;
    losses.goOn(seq);
    const lost = waiting.lost;
    progress.update({ lostFromSeq: lost?.fromSeq ?? 0, lostToSeq: lost?.toSeq ?? 0 });
  }

  #refuse(error: unknown): void {
    if (!isFileError(error)) throw error;
    const { state, clock, worker } = this.#parts;
    this.#refusal = error.message;
    this.#retryAtMs = clock.monotonicMs() + RETRY_MS;
    worker.wake();
    // Where the disk takes at least this, a restart knows that numbers went further than the log tells.
    if (!state.writing) state.write({ memoryOnly: true }).catch(() => {});
  }

  /** Tries to write what waits in memory, in a segment that has not failed yet. */
  #retry(): void {
    const { state, log, waiting, losses } = this.#parts;
    this.#retryAtMs = this.#parts.clock.monotonicMs() + RETRY_MS;
    try {
      state.writeNow(this.#change());
      log.abandon();
      if (!this.#writeWaiting()) waiting.shedAll((seq) => this.#lose(seq));
      else losses.end();
    } catch (error) {
      if (!isFileError(error)) throw error;
      this.#refusal = error.message;
      return;
    }
    this.#refusal = undefined;
    this.#scheduleSync(this.#syncedSeq + 1);
  }

  #scheduleSync(seq: number): void {
    const { clock, worker } = this.#parts;
    const wasIdle = this.#schedule.idle;
    this.#schedule.appended(seq, clock.monotonicMs());
    if (wasIdle) worker.wake();
  }

  async #syncOnce(): Promise<void> {
    const { log, delivery } = this.#parts;
    const lastSeq = log.lastSeq;
    try {
      await log.sync(delivery.ackedSeq);
    } catch (error) {
      this.#salvage(error);
      return;
    }
    this.#synced(lastSeq);
  }

  #syncNow(): void {
    const { log, delivery } = this.#parts;
    try {
      log.syncNow(delivery.ackedSeq);
    } catch (error) {
      this.#salvage(error);
      return;
    }
    this.#synced(log.lastSeq);
  }

  #synced(seq: number): void {
    this.#fault = undefined;
    this.#syncedSeq = Math.max(this.#syncedSeq, seq);
    const { progress, state, waiting } = this.#parts;
    progress.update({ syncedSeq: this.#syncedSeq });
    if (state.durable.memoryOnly && waiting.empty && !state.writing)
      state.write(this.#change()).catch((error) => this.#refuse(error));
  }

  /** A failed sync: what it was to make durable counts as gone from the disk, and is taken back to be written anew. */
  #salvage(error: unknown): void {
    if (!isFileError(error)) throw error;
    const { files, log, waiting, delivery, losses } = this.#parts;
    // What is acknowledged needs no place on flash.
    const safeSeq = Math.max(this.#syncedSeq, delivery.ackedSeq);
    const entries = entriesAfter(files, log.segments, safeSeq);
    for (const { kind, fromSeq, seq } of entries) if (kind === "corrupt") losses.found(fromSeq, seq, kind);
    delivery.forgetPositions();
    log.cutAfter(safeSeq);
    waiting.unshift(entries);
    waiting.shed((seq) => this.#lose(seq));
    this.#fault = error.message;
    this.#refuse(error);
  }
}
