/** The bytes of a segment file. FORMAT.md beside this file is the specification; nothing else knows offsets. */
import { crc32 } from "node:zlib";

export const HEADER_BYTES = 64;
export const RECORD_HEADER_BYTES = 20;
/** Records begin at multiples of this. */
export const ALIGNMENT_BYTES = 4;

const MAGIC = "fpoutbox";
const VERSION = 2;
const CRC_AT = 60;
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
}

/**
 * What an entry of the log is: a record, or a gap that says why numbers are missing:
 * - `accounted`: nothing to report: acknowledged before they reached the disk, or named as skipped after a power cut
 * - `full`: dropped because there was no room
 * - `corrupt`: known to have been stored, not to be found any more
 *
 * A `block` stands for several records: see `block.ts`.
 */
export type EntryKind = "record" | "block" | GapKind;
export type GapKind = "accounted" | "full" | "corrupt";

const KINDS: readonly EntryKind[] = ["record", "accounted", "full", "corrupt", "block"];

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
  return entry.kind !== "record" && entry.kind !== "block";
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
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.write(MAGIC, 0, "latin1");
  bytes.writeUInt32LE(VERSION, 8);
  bytes.writeUInt32LE(fields.run, 12);
  bytes.writeBigUInt64LE(BigInt(fields.generation), 16);
  bytes.writeBigUInt64LE(BigInt(fields.firstSeq), 24);
  bytes.write(fields.stream, 32, 8, "latin1");
  bytes.writeBigUInt64LE(BigInt(fields.recordsBefore), 40);
  bytes.writeBigUInt64LE(BigInt(fields.bytesBefore), 48);
  const crc = crc32(bytes.subarray(0, CRC_AT));
  bytes.writeUInt32LE(crc, CRC_AT);
  return { bytes, header: { ...fields, crc } };
}

/** Undefined where the bytes are no intact header of a version that we know. */
export function decodeHeader(bytes: Buffer): SegmentHeader | undefined {
  if (bytes.length < HEADER_BYTES || bytes.toString("latin1", 0, 8) !== MAGIC) return undefined;
  const crc = bytes.readUInt32LE(CRC_AT);
  if (bytes.readUInt32LE(8) !== VERSION || crc32(bytes.subarray(0, CRC_AT)) !== crc) return undefined;
  return {
    run: bytes.readUInt32LE(12),
    generation: Number(bytes.readBigUInt64LE(16)),
    firstSeq: Number(bytes.readBigUInt64LE(24)),
    stream: bytes.toString("latin1", 32, 40),
    recordsBefore: Number(bytes.readBigUInt64LE(40)),
    bytesBefore: Number(bytes.readBigUInt64LE(48)),
    crc,
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
export function encodeBlock(into: Buffer, header: SegmentHeader, { seq, payload }: LogEntry): number {
  into.set(payload, RECORD_HEADER_BYTES);
  return seal(into, header, seq, KINDS.indexOf("block"), 0, payload.length);
}

/** The same for a gap. */
export function encodeGap(into: Buffer, header: SegmentHeader, entry: LogEntry): number {
  into.writeBigUInt64LE(BigInt(entry.fromSeq), RECORD_HEADER_BYTES);
  return seal(into, header, entry.seq, KINDS.indexOf(entry.kind), 0, GAP_PAYLOAD_BYTES);
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
  if (kind === "block")
    return { kind, fromSeq: Number(bytes.readBigUInt64LE(payloadAt)), seq, wallMs: TIME_UNKNOWN_MS, payload };
  if (kind !== "record") return gap(kind, Number(bytes.readBigUInt64LE(payloadAt)), seq);
  return { kind, fromSeq: seq, seq, wallMs: bytes.readUIntLE(at + 14, 6), payload };
}
