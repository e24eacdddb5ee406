import type { FileLayer, OpenFile } from "../files/files.ts";
import { unpackBlock } from "./block.ts";
import {
  ALIGNMENT_BYTES,
  claimedBytes,
  decodeEntry,
  decodeHeader,
  gap,
  HEADER_BYTES,
  headerBytes,
  type LogEntry,
  RECORD_HEADER_BYTES,
  REWRITTEN_HEADER_BYTES,
  type SegmentHeader,
} from "./segment-format.ts";

/** A segment file and what it holds. */
export interface Segment {
  /** The number in the file's name; says nothing of age. */
  readonly number: number;
  readonly path: string;
  readonly sizeBytes: number;
  readonly header: SegmentHeader;
  /** Entries end before this offset. */
  endOffset: number;
  /** No entry has a number beyond this one; less than the header's first number: it is empty. */
  lastSeq: number;
  /** The file was used again or removed: this is only a memory of it. */
  retired: boolean;
  /** Set on a source that is there beside what was written in its place, and makes up for damage to that. */
  makesUp?: boolean;
}

/** Reads a segment's header; undefined where there is no intact one, `"empty"` where nothing was ever written. */
export function readHeader(file: OpenFile): SegmentHeader | "empty" | undefined {
  const bytes = Buffer.alloc(REWRITTEN_HEADER_BYTES);
  const count = file.read(bytes, 0);
  const isEmpty = bytes.subarray(0, HEADER_BYTES).every((byte) => byte === 0);
  return decodeHeader(bytes.subarray(0, count)) ?? (isEmpty ? "empty" : undefined);
}

/** Read from the file at once: records that it hands out are views into such a piece, which never changes again. */
const CHUNK_BYTES = 128 * 1024;

/** Smallest piece that a disk cannot read on its own. */
const BLOCK_BYTES = 4096;

/**
 * Walks the entries of one segment in order of their numbers. Bytes that are no entry are passed over up to the next
 * intact one; whoever compares numbers sees what is missing. A segment that still grows may be asked again.
 */
export class SegmentCursor {
  readonly segment: Segment;
  readonly #files: FileLayer;
  #file: OpenFile | undefined;
  #offset: number;
  #nextSeq: number;
  /** Of a block that is being handed out, what is left of it. */
  #unpacked: LogEntry[] = [];
  #chunk: Buffer = Buffer.alloc(0);
  #chunkAt = 0;

  constructor(files: FileLayer, segment: Segment) {
    this.#files = files;
    this.segment = segment;
    this.#offset = headerBytes(segment.header);
    this.#nextSeq = segment.header.firstSeq;
  }

  /** Where the next entry would begin. */
  get offset(): number {
    return this.#offset;
  }

  /** The next entry; undefined at the end. Blocks up to number `wholeUntilSeq` are not taken apart. Throws where the disk does. */
  next(wholeUntilSeq = 0): LogEntry | undefined {
    const unpacked = this.#unpacked.shift();
    if (unpacked !== undefined) return unpacked;
    let intact = true;
    while (this.#nextSeq <= this.segment.lastSeq) {
      const roomBytes = this.segment.endOffset - this.#offset;
      if (roomBytes < RECORD_HEADER_BYTES) return undefined;
      const entry = this.#entryHere(roomBytes, intact);
      if (entry) return entry.seq > wholeUntilSeq ? this.#unpack(entry) : entry;
      intact = false;
      this.#offset += ALIGNMENT_BYTES;
    }
    return undefined;
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  /** The first part of an entry that has any; the others follow. */
  #unpack(entry: LogEntry): LogEntry {
    if (entry.kind !== "block" && entry.kind !== "sparse") return entry;
    const holes = this.segment.header.rewritten?.level === "events" ? "displaced" : "thinned";
    this.#unpacked = unpackBlock(entry, holes) ?? [];
    return this.#unpacked.shift() ?? gap("corrupt", entry.fromSeq, entry.seq);
  }

  #entryHere(roomBytes: number, intact: boolean): LogEntry | undefined {
    const { header, lastSeq } = this.segment;
    let at = this.#load(RECORD_HEADER_BYTES);
    // Unwritten space is zeros. While looking for the next intact entry a zero checksum is taken for such space.
    if (!intact && this.#chunk.readUInt32LE(at) === 0) return undefined;
    const claimed = claimedBytes(this.#chunk, at, header, this.#nextSeq, roomBytes);
    if (claimed === undefined) return undefined;
    at = this.#load(claimed);
    const entry = decodeEntry(this.#chunk, at, claimed, header);
    if (!entry || entry.seq > lastSeq) return undefined;
    this.#offset += Math.ceil(claimed / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
    this.#nextSeq = entry.seq + 1;
    return entry;
  }

  /** Makes `lengthBytes` from the current offset on available; returns where in the chunk they begin. */
  #load(lengthBytes: number): number {
    const at = this.#offset - this.#chunkAt;
    if (at >= 0 && at + lengthBytes <= this.#chunk.length) return at;
    const wantedBytes = Math.min(Math.max(lengthBytes, CHUNK_BYTES), this.segment.endOffset - this.#offset);
    this.#file ??= this.#files.open(this.segment.path, "read");
    const chunk = Buffer.allocUnsafe(wantedBytes);
    const count = readAround(this.#file, chunk, this.#offset);
    this.#chunk = chunk.fill(0, count);
    this.#chunkAt = this.#offset;
    return 0;
  }
}

/** The entries of a segment, blocks up to number `wholeUntilSeq` as they are. Throws where the disk does. */
export function* entriesOf(
  files: FileLayer,
  segment: Segment,
  wholeUntilSeq = 0,
): IterableIterator<LogEntry> {
  const cursor = new SegmentCursor(files, segment);
  try {
    for (let entry = cursor.next(wholeUntilSeq); entry; entry = cursor.next(wholeUntilSeq)) yield entry;
  } finally {
    cursor.close();
  }
}

/** Reads; where the disk fails although it can still read the header, blocks that cannot be read count as zeros. */
function readAround(file: OpenFile, into: Buffer, position: number): number {
  try {
    return file.read(into, position);
  } catch {
    file.read(Buffer.alloc(HEADER_BYTES), 0);
    for (let at = 0; at < into.length; at += BLOCK_BYTES)
      readBlock(file, into.subarray(at, at + BLOCK_BYTES), position + at);
    return into.length;
  }
}

function readBlock(file: OpenFile, into: Buffer, position: number): void {
  try {
    into.fill(0, file.read(into, position));
  } catch {
    into.fill(0);
  }
}
