import { weigh } from "./block.ts";
import type { FileLayer } from "./files/files.ts";
import { type Segment, SegmentCursor } from "./segment.ts";
import type { LogEntry } from "./segment-format.ts";

/** What lies at the acknowledged end of the log. */
export interface HeadPosition {
  /** Records up to the acknowledged number, and their payload bytes, since the stream began. */
  readonly records: number;
  readonly bytes: number;
  /** The oldest record not acknowledged. */
  readonly oldest: LogEntry | undefined;
}

/**
 * Follows the acknowledged number through the log, so that depth and age are exact without reading the backlog: each
 * segment's header counts what came before it, so only the segment that holds the number is ever walked.
 */
export class Head {
  readonly #files: FileLayer;
  readonly #segments: readonly Segment[];
  #cursor: SegmentCursor | undefined;
  #records = 0;
  #bytes = 0;
  #ahead: LogEntry | undefined;

  constructor(files: FileLayer, segments: readonly Segment[]) {
    this.#files = files;
    this.#segments = segments;
  }

  /** `ackedSeq` never goes back. Throws where the disk does. */
  locate(ackedSeq: number): HeadPosition {
    if (this.#ahead === undefined || this.#ahead.seq <= ackedSeq || this.#cursor?.segment.retired)
      this.#advance(ackedSeq);
    return { records: this.#records, bytes: this.#bytes, oldest: this.#ahead };
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
      this.#records += records;
      this.#bytes += payloadBytes;
      this.#ahead = undefined;
    }
  }

  #enter(segment: Segment | undefined): void {
    this.#cursor?.close();
    this.#cursor = segment && new SegmentCursor(this.#files, segment);
    this.#records = segment?.header.recordsBefore ?? 0;
    this.#bytes = segment?.header.bytesBefore ?? 0;
    this.#ahead = undefined;
  }
}
