import type { FileLayer } from "../files/files.ts";
import type { Amount } from "../outbox.ts";
import { weigh } from "./block.ts";
import { type Segment, SegmentCursor } from "./segment.ts";
import type { LogEntry } from "./segment-format.ts";

/** What lies at the acknowledged end of the log. */
export interface HeadPosition {
  /** The segment that holds the acknowledged number, or begins behind it. */
  readonly segment: Segment | undefined;
  /** What that segment holds up to there. */
  readonly behind: Amount;
  /** The oldest record not acknowledged. */
  readonly oldest: LogEntry | undefined;
}

const NOTHING: Amount = { records: 0, payloadBytes: 0 };

/**
 * Follows the acknowledged number through the log, so that depth and age are exact without reading the backlog: the
 * segments' headers tell how much each one holds, so only the segment that holds the number is ever walked.
 */
export class Head {
  readonly #files: FileLayer;
  readonly #segments: readonly Segment[];
  #cursor: SegmentCursor | undefined;
  #behind: Amount = NOTHING;
  #ahead: LogEntry | undefined;

  constructor(files: FileLayer, segments: readonly Segment[]) {
    this.#files = files;
    this.#segments = segments;
  }

  /** `ackedSeq` never goes back. Throws where the disk does. */
  locate(ackedSeq: number): HeadPosition {
    if (this.#ahead === undefined || this.#ahead.seq <= ackedSeq || this.#cursor?.segment.retired)
      this.#advance(ackedSeq);
    return { segment: this.#cursor?.segment, behind: this.#behind, oldest: this.#ahead };
  }

  /** Forgets where it was: the log was cut. */
  close(): void {
    this.#enter(undefined);
  }

  #advance(ackedSeq: number): void {
    const holder =
      this.#segments.findLast(({ header }) => header.firstSeq <= ackedSeq + 1) ?? this.#segments[0];
    if (holder !== this.#cursor?.segment) this.#enter(holder);
    this.#walk(ackedSeq);
    while (this.#ahead === undefined && this.#cursor !== undefined) {
      const following = this.#segments[this.#segments.indexOf(this.#cursor.segment) + 1];
      if (following === undefined) break;
      this.#enter(following);
      this.#walk(ackedSeq);
    }
  }

  #walk(ackedSeq: number): void {
    for (;;) {
      this.#ahead ??= this.#cursor?.next(ackedSeq);
      if (this.#ahead === undefined) return;
      if (this.#ahead.kind === "record" && this.#ahead.seq > ackedSeq) return;
      const { records, payloadBytes } = weigh(this.#ahead);
      this.#behind = {
        records: this.#behind.records + records,
        payloadBytes: this.#behind.payloadBytes + payloadBytes,
      };
      this.#ahead = undefined;
    }
  }

  #enter(segment: Segment | undefined): void {
    this.#cursor?.close();
    this.#cursor = segment && new SegmentCursor(this.#files, segment);
    this.#behind = NOTHING;
    this.#ahead = undefined;
  }
}
