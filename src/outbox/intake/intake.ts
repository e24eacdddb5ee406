import type { Clock } from "../../device/clock.ts";
import type { Delivery } from "../delivery/delivery.ts";
import type { Losses } from "../delivery/losses.ts";
import { type FileLayer, isFileError } from "../files/files.ts";
import { entriesAfter } from "../segments/salvage.ts";
import type { Segment } from "../segments/segment.ts";
import { gap, type LogEntry, TIME_UNKNOWN_MS } from "../segments/segment-format.ts";
import type { SegmentLog } from "../segments/segment-log.ts";
import type { ProgressFile } from "../state/progress.ts";
import type { StateFile } from "../state/state.ts";
import type { Tail } from "../young/tail.ts";
import type { Waiting } from "../young/waiting.ts";
import { LogWriter, type WhenFull } from "./log-writer.ts";
import { Numbers, type NumbersStart } from "./numbers.ts";
import { SyncSchedule } from "./sync-schedule.ts";
import type { Thinning } from "./thinning.ts";
import { PIECE_PAUSE_MS, type Worker } from "./worker.ts";

const RETRY_MS = 1000;
const ROOM_RETRY_MS = 60_000;

export interface IntakeParts {
  readonly files: FileLayer;
  readonly clock: Clock;
  readonly log: SegmentLog;
  /** Absent: records go into the log at once. */
  readonly tail: Tail | undefined;
  readonly state: StateFile;
  readonly progress: ProgressFile;
  readonly waiting: Waiting;
  readonly losses: Losses;
  readonly delivery: Delivery;
  /** Absent: all records are alike. */
  readonly thinning: Thinning | undefined;
  readonly isEvent: (record: Uint8Array) => boolean;
  /** Woken when something is due earlier than it thought. */
  readonly worker: Worker;
}

export interface IntakeOptions {
  readonly whenFull: WhenFull;
  readonly syncAfterMs: number;
}

/** Where a run begins, as far as the way in is concerned. */
export interface IntakeStart extends NumbersStart {
  readonly syncedSeq: number;
}

/** The way in: numbers records, hands them to the kernel, and has them on flash when they have waited long enough. */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #parts: IntakeParts;
  readonly #schedule: SyncSchedule;
  readonly #numbers: Numbers;
  readonly #writer: LogWriter;
  #syncedSeq: number;
  /** The youngest record stored in this run or waiting to be; 0: none. */
  #lastRecordSeq = 0;
  /** While set, records wait in memory. */
  #refusal: string | undefined;
  /** Why the last sync failed. Cleared when one succeeds. */
  #fault: string | undefined;
  #retryAtMs = 0;
  #roomAtMs = 0;
  /** The active segment, once it was seen whether another will be to be had. */
  #lookedAhead: Segment | undefined;
  /** The tail has no room: what is in it is due now. */
  #tailFull = false;
  #syncing: Promise<void> | undefined;

  constructor(options: IntakeOptions, parts: IntakeParts, start: IntakeStart) {
    this.#options = options;
    this.#parts = parts;
    this.#syncedSeq = start.syncedSeq;
    this.#numbers = new Numbers(
      parts.state,
      start,
      () => ({ ackedSeq: parts.delivery.settledSeq, accounts: parts.losses.accounts }),
      (error) => this.#refuse(error),
    );
    this.#writer = new LogWriter(options.whenFull, parts, this.#numbers, () => this.#syncedSeq);
    this.#schedule = new SyncSchedule(options.syncAfterMs);
    if (this.#youngestSeq() > start.syncedSeq)
      this.#schedule.appended(start.syncedSeq + 1, parts.clock.monotonicMs());
  }

  get nextSeq(): number {
    return this.#numbers.nextSeq;
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
    const seq = this.#numbers.take();
    const { clock } = this.#parts;
    const wallMs = clock.synced() ? clock.wallMs() : TIME_UNKNOWN_MS;
    const { tail } = this.#parts;
    // What is given up in the tail leaves it at once.
    if (tail !== undefined) this.#keepAccounts();
    const kept = tail?.put(seq, wallMs, record, this.#tailSafeSeq(seq), clock.monotonicMs()) ?? false;
    if (this.#refusal !== undefined) this.#hold(seq, wallMs, record);
    else if (kept) {
      this.#hold(seq, wallMs, record);
      this.#scheduleSync(seq);
    } else {
      this.#store(seq, wallMs, record);
      if (tail !== undefined && tail.fault === undefined) this.#emptyTail();
    }
    return seq;
  }

  /** When the next sync or retry is due, in monotonic milliseconds; undefined: nothing to do. */
  dueMs(): number | undefined {
    if (this.fault !== undefined) return this.#retryAtMs;
    if (this.#tailFull) return this.#parts.clock.monotonicMs();
    return this.#schedule.dueMs(this.#safeSeq(), this.#youngestSeq());
  }

  /** When a piece of room is to be made in a log that comes to be full; undefined: it does not. */
  roomDueMs(): number | undefined {
    return this.#refusal === undefined && this.#writer.isScarce ? this.#roomAtMs : undefined;
  }

  /** Makes that piece. A disk that fails is left to be found out by what must be written. */
  async makeRoom(): Promise<void> {
    const { clock } = this.#parts;
    try {
      await this.#writer.makeRoomBeforehand();
      this.#roomAtMs = clock.monotonicMs() + PIECE_PAUSE_MS;
    } catch (error) {
      if (!isFileError(error)) throw error;
      this.#roomAtMs = clock.monotonicMs() + ROOM_RETRY_MS;
    }
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
    if (this.fault !== undefined) return;
    this.#numbers.saveNow({ clean: true, nextSeq: this.nextSeq });
    this.#parts.tail?.clear();
  }

  /** Up to here everything is on flash or delivered. */
  #safeSeq(): number {
    return Math.max(this.#syncedSeq, this.#parts.delivery.ackedSeq);
  }

  /** Up to here no record before `seq` needs a place in the tail: that is so, or it was given up, as `ack` says. */
  #tailSafeSeq(seq: number): number {
    const { log, waiting } = this.#parts;
    const safeSeq = this.#safeSeq();
    return log.lastSeq > safeSeq ? safeSeq : Math.max(safeSeq, (waiting.oldestRecord?.seq ?? seq) - 1);
  }

  #youngestSeq(): number {
    return this.#parts.waiting.lastRecord?.seq ?? this.#parts.log.lastSeq;
  }

  #store(seq: number, wallMs: number, record: Uint8Array): void {
    const { losses } = this.#parts;
    try {
      if (!this.#writer.write(seq, wallMs, record)) {
        this.#turnAway(seq, record);
        return;
      }
    } catch (error) {
      this.#refuse(error);
      this.#hold(seq, wallMs, record);
      return;
    }
    losses.end();
    this.#lastRecordSeq = seq;
    this.#lookAhead();
    if (this.#options.syncAfterMs === 0) this.#syncNow();
    else this.#scheduleSync(seq);
  }

  /** Writes what waits in memory, and gives up what finds no room. Throws where the disk does. */
  #move(): void {
    if (this.#writer.writeWaiting((entry) => this.#lose(entry))) this.#parts.losses.end();
    this.#lookAhead();
  }

  /** Has room made where there soon will be none. */
  #lookAhead(): void {
    const { log, worker } = this.#parts;
    const active = log.segments.at(-1);
    if (active === this.#lookedAhead || !log.isFilling) return;
    this.#lookedAhead = active;
    if (this.#writer.isScarce) worker.wake();
  }

  /** `drop_newest`: the record's number is used up, and the log will tell so when there is room again. */
  #turnAway(seq: number, record: Uint8Array): void {
    const { waiting, losses } = this.#parts;
    waiting.push(gap("full", seq, seq));
    this.#goOn(seq);
    losses.turnedAway(record);
    this.#keepAccounts();
  }

  #emptyTail(): void {
    this.#tailFull = true;
    this.#parts.worker.wake();
  }

  /** It is in the tail, where a copy of it is all that the way out needs, or nowhere else. */
  #hold(seq: number, wallMs: number, record: Uint8Array): void {
    this.#parts.waiting.push({ kind: "record", fromSeq: seq, seq, wallMs, payload: new Uint8Array(record) });
    this.#lastRecordSeq = seq;
    this.#parts.waiting.shed((entry) => this.#lose(entry));
  }

  /** Gives up a record that waited. */
  #lose({ seq, payload }: LogEntry): void {
    this.#goOn(seq);
    this.#parts.losses.lost(seq, payload);
    this.#keepAccounts();
  }

  /** What the log does not hold must be known to a restart. A disk that fails is found out by what must be written. */
  #keepAccounts(): void {
    try {
      this.#numbers.keepAccounts();
    } catch (error) {
      if (!isFileError(error)) throw error;
    }
  }

  #goOn(seq: number): void {
    const { losses, waiting, progress } = this.#parts;
    losses.goOn(seq);
    progress.update(waiting.lost);
  }

  #refuse(error: unknown): void {
    if (!isFileError(error)) throw error;
    this.#refusal = error.message;
    this.#retryAtMs = this.#parts.clock.monotonicMs() + RETRY_MS;
    this.#numbers.keptInMemory();
    this.#parts.worker.wake();
  }

  /** Tries to write what waits in memory, in a segment that has not failed yet. */
  #retry(): void {
    this.#retryAtMs = this.#parts.clock.monotonicMs() + RETRY_MS;
    try {
      this.#numbers.saveNow();
      this.#parts.log.abandon();
      this.#move();
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
    this.#tailFull = false;
    if (this.#parts.waiting.records > 0) {
      try {
        this.#move();
      } catch (error) {
        this.#refuse(error);
        return;
      }
    }
    // Where every append is synced, none may come between a sync and its outcome.
    if (this.#options.syncAfterMs === 0) {
      this.#syncNow();
      return;
    }
    const { log } = this.#parts;
    const lastSeq = log.lastSeq;
    try {
      await log.sync(this.#numbers.durableAckedSeq);
    } catch (error) {
      this.#salvage(error);
      return;
    }
    this.#synced(lastSeq);
  }

  #syncNow(): void {
    const { log } = this.#parts;
    try {
      log.syncNow(this.#numbers.durableAckedSeq);
    } catch (error) {
      this.#salvage(error);
      return;
    }
    this.#synced(log.lastSeq);
  }

  #synced(seq: number): void {
    this.#fault = undefined;
    this.#syncedSeq = Math.max(this.#syncedSeq, seq);
    const { progress, losses, delivery } = this.#parts;
    progress.update({ syncedSeq: this.#syncedSeq });
    if (this.#refusal !== undefined) return;
    losses.secured(seq);
    delivery.save();
    this.#numbers.secured(seq);
    this.#numbers.backOnDisk();
  }

  /** A failed sync: what it was to make durable counts as gone from the disk, and is taken back to be written anew. */
  #salvage(error: unknown): void {
    if (!isFileError(error)) throw error;
    const { files, log, waiting, delivery } = this.#parts;
    // What is acknowledged needs no place on flash.
    const safeSeq = this.#safeSeq();
    const entries = entriesAfter(files, log.segments, safeSeq);
    for (const { kind, fromSeq, seq } of entries)
      if (kind === "corrupt") delivery.missed({ fromSeq, toSeq: seq }, kind);
    delivery.forgetPositions();
    log.cutAfter(safeSeq, entries);
    waiting.unshift(entries);
    waiting.shed((entry) => this.#lose(entry));
    this.#fault = error.message;
    this.#refuse(error);
  }
}
