/** The bytes of a segment file. FORMAT.md of the outbox is the specification; nothing else knows offsets. */
import { crc32 } from "node:zlib";
import { readNumber, writeNumber } from "../state/number.ts";

/** Of a segment that was appended to, and of one that was rewritten. */
export const HEADER_BYTES = 64;
export const REWRITTEN_HEADER_BYTES = 96;
export const RECORD_HEADER_BYTES = 20;
/** Records begin at multiples of this. */
export const ALIGNMENT_BYTES = 4;

const MAGIC = "fpoutbox";
const VERSION = 2;
const REWRITTEN_VERSION = 3;
const CRC_BYTES = 4;
/** Milliseconds are stored in 48 bits: until the year 10889. */
const MAX_WALL_MS = 2 ** 48 - 1;

export interface SegmentHeader {
  /** The run of the node that began this segment. */
  readonly run: number;
  /** Grows by one with each segment begun, also where its file is used again. */
  readonly generation: number;
  readonly firstSeq: number;
  /** 8 hex digits. */
  readonly stream: string;
  /** Records in the stream before this segment, those of earlier segments long gone included. */
  readonly recordsBefore: number;
  /** Payload bytes of those. */
  readonly bytesBefore: number;
  /** Checksum of the header: every record's own checksum starts from it, which binds records to this generation. */
  readonly crc: number;
  /** Set where the segment was written in the place of older ones, of whose records it holds a part. */
  readonly rewritten?: Rewritten;
}

/** How much of what was there a rewritten segment still holds. */
export type Level = (typeof LEVELS)[number];
const LEVELS = ["half", "quarter", "events"] as const;

/** What a rewritten segment is: all of it is known before its first byte is written. */
export interface Rewritten {
  readonly level: Level;
  /** How many segments it was written in the place of. */
  readonly sources: number;
  /** It tells of every number from its first to this one. */
  readonly lastSeq: number;
  /** Records that it holds, and their payload bytes. */
  readonly records: number;
  readonly payloadBytes: number;
  /** Entries end here. */
  readonly endOffset: number;
}

/** Where the entries of a segment begin. */
export function headerBytes({ rewritten }: Pick<SegmentHeader, "rewritten">): number {
  return rewritten ? REWRITTEN_HEADER_BYTES : HEADER_BYTES;
}

/**
 * What an entry of the log is: a record, or a gap that says why numbers are missing:
 * - `accounted`: nothing to report: acknowledged before they reached the disk, or named as skipped after a power cut
 * - `full`: dropped because there was no room
 * - `corrupt`: known to have been stored, not to be found any more
 * - `thinned`, `displaced`: given up when the segment was rewritten: of readings every second or fourth was kept, or none
 *   in favour of events. No entry of its own on disk: what a `sparse` block leaves out
 *
 * A `block` stands for several records, a `sparse` one with numbers missing between them: see `block.ts`.
 */
export type EntryKind = "record" | "block" | "sparse" | GapKind;
export type GapKind = "accounted" | "full" | "corrupt" | HoleKind;
export type HoleKind = "thinned" | "displaced";

const KINDS: readonly EntryKind[] = ["record", "accounted", "full", "corrupt", "block", "sparse"];

/** One entry: a record (`fromSeq` equals `seq`), or a gap or block that stands for the numbers from `fromSeq` to `seq`. */
export interface LogEntry {
  readonly kind: EntryKind;
  readonly fromSeq: number;
  readonly seq: number;
  /** Wall time of the append; {@link TIME_UNKNOWN_MS} where the clock was not set, and of a gap. */
  readonly wallMs: number;
  /** A gap has none. */
  readonly payload: Uint8Array;
}

/** Stored in place of the time by a clock that was never set. */
export const TIME_UNKNOWN_MS = 0;

/** A time as it was stored, where it was known. */
export function knownTimeMs(entry: LogEntry | undefined): number | undefined {
  return entry === undefined || entry.wallMs === TIME_UNKNOWN_MS ? undefined : entry.wallMs;
}

const NOTHING = new Uint8Array(0);

export function gap(kind: GapKind, fromSeq: number, toSeq: number): LogEntry {
  return { kind, fromSeq, seq: toSeq, wallMs: TIME_UNKNOWN_MS, payload: NOTHING };
}

export function isGap(entry: LogEntry): entry is LogEntry & { readonly kind: GapKind } {
  return entry.kind !== "record" && entry.kind !== "block" && entry.kind !== "sparse";
}

/** A time as it is stored: whole milliseconds in 48 bits. */
export function storedTimeMs(wallMs: number): number {
  return Math.min(Math.max(Math.floor(wallMs), 0), MAX_WALL_MS);
}

/** A gap stores its first number as its payload. */
const GAP_PAYLOAD_BYTES = 8;
export const GAP_BYTES = RECORD_HEADER_BYTES + GAP_PAYLOAD_BYTES;

/** Bytes that a record of `payloadBytes` takes in a segment. */
export function storedBytes(payloadBytes: number): number {
  return Math.ceil((RECORD_HEADER_BYTES + payloadBytes) / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
}

export function encodeHeader(fields: Omit<SegmentHeader, "crc">): { bytes: Buffer; header: SegmentHeader } {
  const { rewritten } = fields;
  const bytes = Buffer.alloc(headerBytes(fields));
  bytes.write(MAGIC, 0, "latin1");
  bytes.writeUInt32LE(rewritten ? REWRITTEN_VERSION : VERSION, 8);
  bytes.writeUInt32LE(fields.run, 12);
  writeNumber(bytes, fields.generation, 16);
  writeNumber(bytes, fields.firstSeq, 24);
  bytes.write(fields.stream, 32, 8, "latin1");
  writeNumber(bytes, fields.recordsBefore, 40);
  writeNumber(bytes, fields.bytesBefore, 48);
  if (rewritten) {
    bytes.writeUInt32LE(LEVELS.indexOf(rewritten.level) + 1, 56);
    bytes.writeUInt32LE(rewritten.sources, 60);
    writeNumber(bytes, rewritten.lastSeq, 64);
    writeNumber(bytes, rewritten.records, 72);
    writeNumber(bytes, rewritten.payloadBytes, 80);
    bytes.writeUInt32LE(rewritten.endOffset, 88);
  }
  const crcAt = bytes.length - CRC_BYTES;
  const crc = crc32(bytes.subarray(0, crcAt));
  bytes.writeUInt32LE(crc, crcAt);
  return { bytes, header: { ...fields, crc } };
}

/** Undefined where the bytes are no intact header of a version that we know. */
export function decodeHeader(bytes: Buffer): SegmentHeader | undefined {
  if (bytes.length < HEADER_BYTES || bytes.toString("latin1", 0, 8) !== MAGIC) return undefined;
  const version = bytes.readUInt32LE(8);
  if (version !== VERSION && version !== REWRITTEN_VERSION) return undefined;
  const end = version === VERSION ? HEADER_BYTES : REWRITTEN_HEADER_BYTES;
  if (bytes.length < end) return undefined;
  const crc = bytes.readUInt32LE(end - CRC_BYTES);
  if (crc32(bytes.subarray(0, end - CRC_BYTES)) !== crc) return undefined;
  const rewritten = version === VERSION ? undefined : decodeRewritten(bytes);
  return {
    run: bytes.readUInt32LE(12),
    generation: readNumber(bytes, 16),
    firstSeq: readNumber(bytes, 24),
    stream: bytes.toString("latin1", 32, 40),
    recordsBefore: readNumber(bytes, 40),
    bytesBefore: readNumber(bytes, 48),
    crc,
    ...(rewritten && { rewritten }),
  };
}

function decodeRewritten(bytes: Buffer): Rewritten {
  return {
    // A level that a later version added holds events at least.
    level: LEVELS[bytes.readUInt32LE(56) - 1] ?? "events",
    sources: bytes.readUInt32LE(60),
    lastSeq: readNumber(bytes, 64),
    records: readNumber(bytes, 72),
    payloadBytes: readNumber(bytes, 80),
    endOffset: bytes.readUInt32LE(88),
  };
}

/** Writes a record into `into` from its beginning; returns how many bytes it takes. */
export function encodeRecord(
  into: Buffer,
  header: SegmentHeader,
  seq: number,
  wallMs: number,
  payload: Uint8Array,
): number {
  into.set(payload, RECORD_HEADER_BYTES);
  return seal(into, header, seq, 0, wallMs, payload.length);
}

/** The same for a block, whose payload begins with its first number. */
export function encodeBlock(into: Buffer, header: SegmentHeader, { kind, seq, payload }: LogEntry): number {
  into.set(payload, RECORD_HEADER_BYTES);
  return seal(into, header, seq, KINDS.indexOf(kind), 0, payload.length);
}

/** The same for a gap that has an entry of its own. */
export function encodeGap(into: Buffer, header: SegmentHeader, entry: LogEntry): number {
  writeNumber(into, entry.fromSeq, RECORD_HEADER_BYTES);
  return seal(into, header, entry.seq, KINDS.indexOf(entry.kind), 0, GAP_PAYLOAD_BYTES);
}

/** The same for any of them. */
export function encodeEntry(into: Buffer, header: SegmentHeader, entry: LogEntry): number {
  if (entry.kind === "record") return encodeRecord(into, header, entry.seq, entry.wallMs, entry.payload);
  return isGap(entry) ? encodeGap(into, header, entry) : encodeBlock(into, header, entry);
}

/** Bytes that an entry takes in a segment. */
export function entryBytes(entry: LogEntry): number {
  return isGap(entry) ? GAP_BYTES : storedBytes(entry.payload.length);
}

function seal(
  into: Buffer,
  header: SegmentHeader,
  seq: number,
  kind: number,
  wallMs: number,
  payloadBytes: number,
): number {
  const end = RECORD_HEADER_BYTES + payloadBytes;
  into.writeUInt32LE(payloadBytes, 4);
  into.writeUInt32LE(seq - header.firstSeq, 8);
  into.writeUInt16LE(kind, 12);
  into.writeUIntLE(storedTimeMs(wallMs), 14, 6);
  into.writeUInt32LE(crc32(into.subarray(4, end), header.crc), 0);
  const padded = storedBytes(payloadBytes);
  into.fill(0, end, padded);
  return padded;
}

/**
 * How many bytes from `at` on an entry would take, judged by its header alone; undefined where those bytes can be no
 * entry of a segment that has `roomBytes` left and goes on with number `nextSeq`.
 */
export function claimedBytes(
  bytes: Buffer,
  at: number,
  header: SegmentHeader,
  nextSeq: number,
  roomBytes: number,
): number | undefined {
  if (bytes.readUInt16LE(at + 12) >= KINDS.length) return undefined;
  const claimed = RECORD_HEADER_BYTES + bytes.readUInt32LE(at + 4);
  if (claimed > roomBytes || header.firstSeq + bytes.readUInt32LE(at + 8) < nextSeq) return undefined;
  return claimed;
}

/** The entry at `at`, which claims `claimed` bytes, all of them within `bytes`; undefined where its checksum fails. */
export function decodeEntry(
  bytes: Buffer,
  at: number,
  claimed: number,
  header: SegmentHeader,
): LogEntry | undefined {
  const end = at + claimed;
  if (crc32(bytes.subarray(at + 4, end), header.crc) !== bytes.readUInt32LE(at)) return undefined;
  const kind = KINDS[bytes.readUInt16LE(at + 12)]!;
  const seq = header.firstSeq + bytes.readUInt32LE(at + 8);
  const payloadAt = at + RECORD_HEADER_BYTES;
  const payload = new Uint8Array(bytes.buffer, bytes.byteOffset + payloadAt, end - payloadAt);
  if (kind === "block" || kind === "sparse")
    return { kind, fromSeq: readNumber(bytes, payloadAt), seq, wallMs: TIME_UNKNOWN_MS, payload };
  if (kind !== "record") return gap(kind, readNumber(bytes, payloadAt), seq);
  return { kind, fromSeq: seq, seq, wallMs: bytes.readUIntLE(at + 14, 6), payload };
}
