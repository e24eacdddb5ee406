import type { FileLayer } from "../files/files.ts";
import { type Segment, SegmentCursor } from "./segment.ts";
import { type GapKind, isGap, type LogEntry } from "./segment-format.ts";

/** Told of numbers that are missing, and why, as the reader comes upon them. */
export type OnGap = (kind: GapKind, fromSeq: number, toSeq: number) => void;

/** Reads records across segments in order, from any number on, and goes on where the log has grown meanwhile. */
export class LogReader {
  readonly #files: FileLayer;
  /** Oldest first; changes as the log does. */
  readonly #segments: readonly Segment[];
  readonly #onGap: OnGap;
  #cursor: SegmentCursor | undefined;
  #nextSeq = 0;

  constructor(files: FileLayer, segments: readonly Segment[], onGap: OnGap) {
    this.#files = files;
    this.#segments = segments;
    this.#onGap = onGap;
  }

  /** Whether `seq` is the next to be read. */
  isAt(seq: number): boolean {
    return seq === this.#nextSeq && this.#cursor !== undefined && !this.#cursor.segment.retired;
  }

  /** Makes `seq`, or what follows it, the next to be read. Costs nothing where it already is. */
  seek(seq: number): void {
    if (this.isAt(seq)) return;
    this.#nextSeq = seq;
    const segment = this.#segments.findLast(({ header }) => header.firstSeq <= seq) ?? this.#segments[0];
    if (segment !== undefined && segment.header.firstSeq > seq) this.#nextSeq = segment.header.firstSeq;
    this.#enter(segment);
  }

  /** The next record; undefined where there is none yet. Throws where the disk does. */
  next(): LogEntry | undefined {
    if (this.#cursor === undefined || this.#cursor.segment.retired) this.seek(this.#nextSeq);
    while (this.#cursor !== undefined) {
      const entry = this.#cursor.next(this.#nextSeq - 1);
      if (entry === undefined) {
        if (!this.#leave(this.#cursor.segment)) return undefined;
      } else if (this.#take(entry)) return entry;
    }
    return undefined;
  }

  close(): void {
    this.#enter(undefined);
  }

  /** Whether `entry` is a record that was asked for. */
  #take(entry: LogEntry): boolean {
    if (entry.seq < this.#nextSeq) return false;
    const fromSeq = Math.max(entry.fromSeq, this.#nextSeq);
    this.#missing(fromSeq);
    this.#nextSeq = entry.seq + 1;
    if (!isGap(entry)) return true;
    this.#onGap(entry.kind, fromSeq, entry.seq);
    return false;
  }

  /** Goes on to the following segment, if there is one. */
  #leave(segment: Segment): boolean {
    this.#missing(segment.lastSeq + 1);
    const following = this.#segments[this.#segments.indexOf(segment) + 1];
    if (following === undefined) return false;
    this.#missing(following.header.firstSeq);
    this.#enter(following);
    return true;
  }

  #missing(untilSeq: number): void {
    if (untilSeq <= this.#nextSeq) return;
    this.#onGap("corrupt", this.#nextSeq, untilSeq - 1);
    this.#nextSeq = untilSeq;
  }

  #enter(segment: Segment | undefined): void {
    this.#cursor?.close();
    this.#cursor = segment && new SegmentCursor(this.#files, segment);
  }
}
