/** Marks per wait: a record is synced at the latest when due, and at the earliest this fraction of the wait before. */
const MARKS = 8;
/** More pile up only while a sync takes many times the wait. */
const MARKS_MAX = 64;

interface Mark {
  readonly seq: number;
  readonly monotonicMs: number;
}

/** Remembers roughly when records were appended, so that those that were never acknowledged are synced in time. */
export class SyncSchedule {
  readonly #afterMs: number;
  #marks: Mark[] = [];

  constructor(afterMs: number) {
    this.#afterMs = afterMs;
  }

  get idle(): boolean {
    return this.#marks.length === 0;
  }

  /** A record was handed to the kernel. */
  appended(seq: number, monotonicMs: number): void {
    const last = this.#marks.at(-1);
    const close = last !== undefined && monotonicMs - last.monotonicMs < this.#afterMs / MARKS;
    if (close || this.#marks.length === MARKS_MAX) return;
    this.#marks.push({ seq, monotonicMs });
  }

  /**
   * When the oldest record after `doneSeq` must be on flash; undefined: there is none. `lastSeq` is the youngest record
   * there is.
   */
  dueMs(doneSeq: number, lastSeq: number): number | undefined {
    // Some that were appended may have been given up since: then no mark behind the oldest is reached any more.
    if (lastSeq <= doneSeq) this.#marks = [];
    // A mark stands for the records up to the next mark.
    while (this.#marks.length > 0 && (this.#marks[1]?.seq ?? lastSeq + 1) <= doneSeq + 1) this.#marks.shift();
    const oldest = this.#marks[0];
    return oldest && oldest.monotonicMs + this.#afterMs;
  }
}
