import type { Delivery } from "../delivery/delivery.ts";
import { BLOCK_MAX_BYTES, packBlock } from "../segments/block.ts";
import { entryBytes, GAP_BYTES, type LogEntry, storedBytes } from "../segments/segment-format.ts";
import type { SegmentLog } from "../segments/segment-log.ts";
import type { ProgressFile } from "../state/progress.ts";
import type { Waiting } from "../young/waiting.ts";
import type { Numbers } from "./numbers.ts";
import type { Thinning } from "./thinning.ts";

/**
 * What gives way where the log is full: the oldest readings, new ones, or of the older ones every second, every fourth,
 * and at last all. Events go when no readings are left that could.
 */
export type WhenFull = "drop_oldest" | "drop_newest" | "thin";

export interface LogWriterParts {
  readonly log: SegmentLog;
  readonly waiting: Waiting;
  readonly delivery: Delivery;
  readonly progress: ProgressFile;
  /** Absent: all records are alike. */
  readonly thinning: Thinning | undefined;
  readonly isEvent: (record: Uint8Array) => boolean;
}

/** The way into the log: what waits goes before what is new, and room is made for both. Throws where the disk does. */
export class LogWriter {
  readonly #whenFull: WhenFull;
  readonly #parts: LogWriterParts;
  readonly #numbers: Numbers;
  readonly #syncedSeq: () => number;
  /** Making room beforehand was of no use; so it is left until the active segment is full. */
  #nothingGained = false;
  /** One segment stays free: to write others anew into, or for events that come when there is no room for readings. */
  readonly #reserve: number;

  constructor(whenFull: WhenFull, parts: LogWriterParts, numbers: Numbers, syncedSeq: () => number) {
    this.#whenFull = whenFull;
    this.#parts = parts;
    this.#numbers = numbers;
    this.#syncedSeq = syncedSeq;
    this.#reserve = parts.thinning === undefined ? 0 : 1;
  }

  /** Whether the log comes to be full: then it had better make room before it must. */
  get isScarce(): boolean {
    const { log, delivery, thinning } = this.#parts;
    return (
      thinning !== undefined &&
      this.#whenFull !== "drop_newest" &&
      !this.#nothingGained &&
      log.isFilling &&
      log.freeSegmentsBeyond(delivery.ackedSeq) <= this.#reserve
    );
  }

  /** Makes a piece of room, where there soon will be none. Rejects where the disk cannot be written. */
  async makeRoomBeforehand(): Promise<void> {
    this.#freeOne([this.#parts.delivery.settledSeq]);
    const gained = await this.#parts.thinning?.piece(this.#syncedSeq(), this.#numbers.durableAckedSeq);
    this.#nothingGained = gained === false;
  }

  /** Hands a record to the kernel, behind everything that waits. False: there is no room for it. */
  write(seq: number, wallMs: number, record: Uint8Array): boolean {
    const { log, waiting, isEvent } = this.#parts;
    const bytes = storedBytes(record.length);
    const event = this.#whenFull === "drop_newest" && isEvent(record);
    // A gap goes in only together with a record: else each one turned away would leave its own.
    const together =
      waiting.first === undefined || this.#makeRoom(bytes + GAP_BYTES, waiting.first.fromSeq, event);
    if (!together || !this.#writeWaiting(event) || !this.#makeRoom(bytes, seq, event)) return false;
    log.writeRecord(seq, wallMs, record);
    return true;
  }

  /** Writes what belongs before the next record, and gives up what finds no room: `onLost` is told. True: all of it did. */
  writeWaiting(onLost: (record: LogEntry) => void): boolean {
    const { waiting } = this.#parts;
    if (this.#writeWaiting()) return true;
    waiting.shedReadings(onLost);
    if (!this.#writeWaiting()) waiting.shedAll(onLost);
    return false;
  }

  /** False: no room for it. `event`: what the gaps at its end belong to. */
  #writeWaiting(event = false): boolean {
    const { waiting, progress } = this.#parts;
    if (waiting.empty) return true;
    for (let first = waiting.first; first !== undefined; first = waiting.first) {
      const records = waiting.firstRecords(BLOCK_MAX_BYTES);
      const wrote = records.length > 0 ? this.#writeRecords(records) : this.#writeGap(first, event);
      if (!wrote) return false;
    }
    progress.update({ lostFromSeq: 0, lostToSeq: 0 });
    return true;
  }

  /** Writes the first that wait, which are records, as one compressed block where that saves anything. False: no room. */
  #writeRecords(records: readonly LogEntry[]): boolean {
    const { log, waiting } = this.#parts;
    const block = packBlock(records);
    const bytes = block && storedBytes(block.payload.length);
    const event = records.every(this.#isEvent);
    if (block && bytes && bytes <= log.largestEntryBytes && this.#makeRoom(bytes, block.fromSeq, event)) {
      log.write(block);
      for (let left = records.length; left > 0; left--) waiting.shift();
      return true;
    }
    return records.every((record) => this.#writeFirst(record, this.#isEvent(record)));
  }

  #writeGap(gap: LogEntry, event: boolean): boolean {
    const next = this.#parts.waiting.oldestRecord;
    return this.#writeFirst(gap, next === undefined ? event : this.#isEvent(next));
  }

  /** Only where readings are turned away does it matter on the way in. */
  readonly #isEvent = ({ payload }: LogEntry) =>
    this.#whenFull === "drop_newest" && this.#parts.isEvent(payload);

  #writeFirst(entry: LogEntry, event: boolean): boolean {
    const { log, waiting } = this.#parts;
    if (!this.#makeRoom(entryBytes(entry), entry.fromSeq, event)) return false;
    log.write(entry);
    waiting.shift();
    return true;
  }

  /** False: the log is full, and older records are not to be given up. */
  #makeRoom(bytes: number, firstSeq: number, event: boolean): boolean {
    const { log, delivery, thinning } = this.#parts;
    if (this.#whenFull === "drop_newest") return this.#findRoom(bytes, firstSeq, event);
    if (log.fits(bytes, firstSeq)) return true;
    this.#nothingGained = false;
    const isThere = (ackedSeq: number) => log.freeSegmentsBeyond(ackedSeq) > this.#reserve;
    for (const ackedSeq of this.#ackedSeqs())
      if (isThere(ackedSeq) && this.#advance(firstSeq, ackedSeq)) return true;
    while (!isThere(delivery.ackedSeq)) {
      this.#freeOne(this.#ackedSeqs());
      if (thinning?.step(this.#syncedSeq(), this.#numbers.durableAckedSeq)) continue;
      const oldest = log.segments.find(({ lastSeq }) => lastSeq > delivery.ackedSeq);
      if (oldest === undefined || log.isActive(oldest)) log.abandon();
      if (oldest === undefined) break;
      delivery.discard(oldest);
    }
    for (const ackedSeq of this.#ackedSeqs()) if (this.#advance(firstSeq, ackedSeq)) return true;
    return this.#makeRoom(bytes, firstSeq, event);
  }

  /**
   * Whose segments may be used again: first those of what is told for good; only then what lies behind a loss not told yet,
   * which a restart would take for lost too.
   */
  #ackedSeqs(): readonly number[] {
    const { settledSeq, ackedSeq } = this.#parts.delivery;
    return [settledSeq, ackedSeq];
  }

  #advance(firstSeq: number, ackedSeq: number): boolean {
    this.#secureAcked(ackedSeq);
    return this.#parts.log.advance(firstSeq, ackedSeq);
  }

  /** Others can be written anew only into a segment that is free. */
  #freeOne(ackedSeqs: readonly number[]): void {
    for (const ackedSeq of ackedSeqs) {
      if (this.#reserve === 0 || this.#parts.log.freeSegments > 0) return;
      this.#secureAcked(ackedSeq);
      this.#parts.log.reuse(ackedSeq);
    }
    if (this.#parts.log.freeSegments === 0) this.#parts.log.giveUpSource();
  }

  /** Room that nobody has to leave. Readings keep off the last free segment. */
  #findRoom(bytes: number, firstSeq: number, event: boolean): boolean {
    const { log, delivery } = this.#parts;
    const { settledSeq, ackedSeq } = delivery;
    const reserve = event ? 0 : this.#reserve;
    const free = log.freeSegmentsBeyond(ackedSeq);
    if (log.fits(bytes, firstSeq)) return free >= reserve;
    if (free <= reserve) return false;
    return this.#advance(firstSeq, settledSeq) || this.#advance(firstSeq, ackedSeq);
  }

  /**
   * Before acknowledged records are overwritten it must be on flash that they were: else a power cut could bring back
   * an older acknowledged number, and their absence would be taken for a loss. And before what is not told for good it
   * must be there what those records told of other losses: else nobody would know it after a restart.
   */
  #secureAcked(ackedSeq: number): void {
    const { settledSeq } = this.#parts.delivery;
    const reusable = this.#parts.log.reusable(settledSeq);
    if (reusable !== undefined && reusable.lastSeq > this.#numbers.durableAckedSeq) this.#numbers.saveNow();
    if (ackedSeq > settledSeq) this.#numbers.keepAccounts();
  }
}
