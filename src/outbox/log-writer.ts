import { BLOCK_MAX_BYTES, packBlock } from "./block.ts";
import type { Delivery } from "./delivery.ts";
import type { Numbers } from "./numbers.ts";
import type { ProgressFile } from "./progress.ts";
import { GAP_BYTES, type LogEntry, storedBytes } from "./segment-format.ts";
import type { SegmentLog } from "./segment-log.ts";
import type { Waiting } from "./waiting.ts";

/** What gives way where the log is full. */
export type WhenFull = "drop_oldest" | "drop_newest";

export interface LogWriterParts {
  readonly log: SegmentLog;
  readonly waiting: Waiting;
  readonly delivery: Delivery;
  readonly progress: ProgressFile;
}

/** The way into the log: what waits goes before what is new, and room is made for both. Throws where the disk does. */
export class LogWriter {
  readonly #whenFull: WhenFull;
  readonly #parts: LogWriterParts;
  readonly #numbers: Numbers;

  constructor(whenFull: WhenFull, parts: LogWriterParts, numbers: Numbers) {
    this.#whenFull = whenFull;
    this.#parts = parts;
    this.#numbers = numbers;
  }

  /** Hands a record to the kernel, behind everything that waits. False: there is no room for it. */
  write(seq: number, wallMs: number, record: Uint8Array): boolean {
    const { log, waiting } = this.#parts;
    const bytes = storedBytes(record.length);
    // A gap goes in only together with a record: else each one turned away would leave its own.
    const together = waiting.first === undefined || this.#makeRoom(bytes + GAP_BYTES, waiting.first.fromSeq);
    if (!together || !this.writeWaiting() || !this.#makeRoom(bytes, seq)) return false;
    log.writeRecord(seq, wallMs, record);
    return true;
  }

  /** Writes what belongs before the next record. False: no room for it. */
  writeWaiting(): boolean {
    const { waiting, progress } = this.#parts;
    if (waiting.empty) return true;
    for (let first = waiting.first; first !== undefined; first = waiting.first) {
      const records = waiting.firstRecords(BLOCK_MAX_BYTES);
      const wrote = records.length > 0 ? this.#writeRecords(records) : this.#writeFirst(first);
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
    if (block && bytes && bytes <= log.largestEntryBytes && this.#makeRoom(bytes, block.fromSeq)) {
      log.write(block);
      for (let left = records.length; left > 0; left--) waiting.shift();
      return true;
    }
    return records.every((record) => this.#writeFirst(record));
  }

  #writeFirst(entry: LogEntry): boolean {
    const { log, waiting } = this.#parts;
    const bytes = entry.kind === "record" ? storedBytes(entry.payload.length) : GAP_BYTES;
    if (!this.#makeRoom(bytes, entry.fromSeq)) return false;
    log.write(entry);
    waiting.shift();
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
    if (this.#whenFull === "drop_newest") return false;
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
    const reusable = this.#parts.log.reusable(this.#parts.delivery.settledSeq);
    if (reusable !== undefined && reusable.lastSeq > this.#numbers.durableAckedSeq) this.#numbers.saveNow();
  }
}
