import { packSparse, weigh } from "./block.ts";
import {
  encodeEntry,
  encodeHeader,
  entryBytes,
  type GapKind,
  gap,
  type Level,
  type LogEntry,
  REWRITTEN_HEADER_BYTES,
  type Rewritten,
  type SegmentHeader,
} from "./segment-format.ts";

/** Payload in one sparse block. As of other blocks: deflate looks back no further, and damage costs a whole block. */
const SPARSE_MAX_BYTES = 32 * 1024;

/**
 * What is to be written in the place of other segments: entries that tell of every number from the first to the last, so
 * that a hole between them can only be damage.
 */
export class Draft {
  readonly #level: Level;
  #entries: LogEntry[] = [];
  #bytes = REWRITTEN_HEADER_BYTES;
  #records = 0;
  #payloadBytes = 0;
  /** Every number up to here has been told of. */
  #lastSeq: number;
  /** Records that follow, not packed yet. */
  #kept: LogEntry[] = [];
  #keptBytes = 0;

  /** `firstSeq`: the first number that it tells of. */
  constructor(level: Level, firstSeq: number) {
    this.#level = level;
    this.#lastSeq = firstSeq - 1;
  }

  /** Bytes of the segment so far; exact once the draft is {@link finish finished}. */
  get bytes(): number {
    return this.#bytes;
  }

  get records(): number {
    return this.#records;
  }

  /** A record that stays. What lies between it and the one before does not. */
  keep(record: LogEntry): void {
    if (this.#keptBytes + record.payload.length > SPARSE_MAX_BYTES) this.#pack(this.#kept.at(-1)?.seq);
    this.#kept.push(record);
    this.#keptBytes += record.payload.length;
  }

  /** Why numbers are missing, where that is not this rewriting. */
  tell(kind: GapKind, fromSeq: number, toSeq: number): void {
    this.finish(fromSeq - 1);
    const last = this.#entries.at(-1);
    if (last?.kind === kind) {
      this.#entries[this.#entries.length - 1] = gap(kind, last.fromSeq, toSeq);
      this.#lastSeq = toSeq;
    } else this.#add(gap(kind, fromSeq, toSeq));
  }

  /** An entry of a segment of the same level, as it is. */
  copy(entry: LogEntry): void {
    this.#add(entry);
  }

  /** Nothing up to `seq` follows. */
  finish(seq: number): void {
    this.#pack(Math.max(seq, this.#kept.at(-1)?.seq ?? 0));
  }

  /** The same once more, to be gone on with while this one stays as it is. Finished drafts only. */
  clone(): Draft {
    const other = new Draft(this.#level, this.#lastSeq + 1);
    other.#entries = [...this.#entries];
    other.#bytes = this.#bytes;
    other.#records = this.#records;
    other.#payloadBytes = this.#payloadBytes;
    return other;
  }

  describe(sources: number): Rewritten {
    return {
      level: this.#level,
      sources,
      lastSeq: this.#lastSeq,
      records: this.#records,
      payloadBytes: this.#payloadBytes,
      endOffset: this.#bytes,
    };
  }

  /** The bytes of the segment up to where its entries end. */
  encode(fields: Omit<SegmentHeader, "crc">): { readonly bytes: Buffer; readonly header: SegmentHeader } {
    const { bytes: head, header } = encodeHeader(fields);
    const bytes = Buffer.alloc(this.#bytes);
    head.copy(bytes);
    let at = head.length;
    for (const entry of this.#entries) at += encodeEntry(bytes.subarray(at), header, entry);
    return { bytes, header };
  }

  #pack(seq = 0): void {
    if (seq > this.#lastSeq) this.#add(packSparse(this.#lastSeq + 1, seq, this.#kept));
    this.#kept = [];
    this.#keptBytes = 0;
  }

  #add(entry: LogEntry): void {
    const { records, payloadBytes } = weigh(entry);
    this.#entries.push(entry);
    this.#bytes += entryBytes(entry);
    this.#records += records;
    this.#payloadBytes += payloadBytes;
    this.#lastSeq = entry.seq;
  }
}
