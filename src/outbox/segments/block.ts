/** Several records as one compressed entry of the log. FORMAT.md says how both kinds are laid out. */
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { writeNumber } from "../state/number.ts";
import {
  gap,
  type HoleKind,
  type LogEntry,
  storedBytes,
  storedTimeMs,
  TIME_UNKNOWN_MS,
} from "./segment-format.ts";

/**
 * No more payload goes into one: more would compress hardly better, as deflate looks back no further (RFC 1951: 32 KiB),
 * and what damage costs is a whole block.
 */
export const BLOCK_MAX_BYTES = 32 * 1024;

/** First number (8 bytes) and payload bytes of all records (4), before what is compressed. */
const HEAD_BYTES = 12;
/** Of each record: length (4) and wall time (6). */
const ROW_BYTES = 10;

/** Makes one of records whose numbers follow each other; undefined where that saves nothing. */
export function packBlock(records: readonly LogEntry[]): LogEntry | undefined {
  const first = records[0];
  const last = records.at(-1);
  if (first === undefined || last === undefined || first === last) return undefined;
  const payloadBytes = records.reduce((sum, { payload }) => sum + payload.length, 0);
  const plain = Buffer.allocUnsafe(records.length * ROW_BYTES + payloadBytes);
  let rowAt = 0;
  let payloadAt = records.length * ROW_BYTES;
  for (const { wallMs, payload } of records) {
    plain.writeUInt32LE(payload.length, rowAt);
    plain.writeUIntLE(storedTimeMs(wallMs), rowAt + 4, 6);
    plain.set(payload, payloadAt);
    rowAt += ROW_BYTES;
    payloadAt += payload.length;
  }
  const compressed = deflateRawSync(plain);
  const payload = Buffer.alloc(HEAD_BYTES + compressed.length);
  writeNumber(payload, first.seq, 0);
  payload.writeUInt32LE(payloadBytes, 8);
  compressed.copy(payload, HEAD_BYTES);
  const apartBytes = records.reduce((sum, record) => sum + storedBytes(record.payload.length), 0);
  if (storedBytes(payload.length) >= apartBytes) return undefined;
  return { kind: "block", fromSeq: first.seq, seq: last.seq, wallMs: TIME_UNKNOWN_MS, payload };
}

/** Before what is compressed in a sparse block: first number (8 bytes), payload bytes of all records (4), records (4). */
const SPARSE_HEAD_BYTES = 16;
/** Of each record: length (4), wall time (6), and number less the block's first (4). */
const SPARSE_ROW_BYTES = 14;

/** The most that a sparse block of one record takes, which deflate may have made longer (RFC 1951: 5 bytes each 64 KiB). */
export function sparseBytesMax(payloadBytes: number): number {
  const plainBytes = SPARSE_ROW_BYTES + payloadBytes;
  return storedBytes(SPARSE_HEAD_BYTES + plainBytes + 5 * (Math.ceil(plainBytes / 16_384) + 1));
}

/** Makes one that tells of all numbers from `fromSeq` to `toSeq` and holds the records among them that are left. */
export function packSparse(fromSeq: number, toSeq: number, records: readonly LogEntry[]): LogEntry {
  const payloadBytes = records.reduce((sum, { payload }) => sum + payload.length, 0);
  const plain = Buffer.allocUnsafe(records.length * SPARSE_ROW_BYTES + payloadBytes);
  let rowAt = 0;
  let payloadAt = records.length * SPARSE_ROW_BYTES;
  for (const { seq, wallMs, payload } of records) {
    plain.writeUInt32LE(payload.length, rowAt);
    plain.writeUIntLE(storedTimeMs(wallMs), rowAt + 4, 6);
    plain.writeUInt32LE(seq - fromSeq, rowAt + 10);
    plain.set(payload, payloadAt);
    rowAt += SPARSE_ROW_BYTES;
    payloadAt += payload.length;
  }
  const compressed = deflateRawSync(plain);
  const payload = Buffer.alloc(SPARSE_HEAD_BYTES + compressed.length);
  writeNumber(payload, fromSeq, 0);
  payload.writeUInt32LE(payloadBytes, 8);
  payload.writeUInt32LE(records.length, 12);
  compressed.copy(payload, SPARSE_HEAD_BYTES);
  return { kind: "sparse", fromSeq, seq: toSeq, wallMs: TIME_UNKNOWN_MS, payload };
}

/**
 * The records of a block of either kind, and between those of a sparse one gaps that say why numbers are missing. Undefined
 * where it holds something else: no writer of ours has made it.
 */
export function unpackBlock(block: LogEntry, holes: HoleKind): LogEntry[] | undefined {
  const [headBytes, rowBytes] =
    block.kind === "sparse" ? [SPARSE_HEAD_BYTES, SPARSE_ROW_BYTES] : [HEAD_BYTES, ROW_BYTES];
  const { records: count, payloadBytes } = weigh(block);
  const plainBytes = count * rowBytes + payloadBytes;
  const plain = inflated(block.payload.subarray(headBytes), plainBytes);
  if (plain === undefined) return undefined;
  const entries: LogEntry[] = [];
  let nextSeq = block.fromSeq;
  let payloadAt = count * rowBytes;
  for (let nth = 0; nth < count; nth++) {
    const rowAt = nth * rowBytes;
    const end = payloadAt + plain.readUInt32LE(rowAt);
    const seq = block.kind === "sparse" ? block.fromSeq + plain.readUInt32LE(rowAt + 10) : nextSeq;
    if (end > plainBytes || seq < nextSeq || seq > block.seq) return undefined;
    if (seq > nextSeq) entries.push(gap(holes, nextSeq, seq - 1));
    const wallMs = plain.readUIntLE(rowAt + 4, 6);
    entries.push({ kind: "record", fromSeq: seq, seq, wallMs, payload: plain.subarray(payloadAt, end) });
    nextSeq = seq + 1;
    payloadAt = end;
  }
  if (nextSeq <= block.seq) entries.push(gap(holes, nextSeq, block.seq));
  return entries;
}

function inflated(bytes: Uint8Array, plainBytes: number): Buffer | undefined {
  try {
    const plain = inflateRawSync(bytes, { maxOutputLength: Math.max(plainBytes, 1) });
    return plain.length === plainBytes ? plain : undefined;
  } catch {
    return undefined;
  }
}

/** How many records an entry stands for, and the bytes of their payloads. */
export function weigh({ kind, fromSeq, seq, payload }: LogEntry): {
  readonly records: number;
  readonly payloadBytes: number;
} {
  if (kind === "record") return { records: 1, payloadBytes: payload.length };
  if (kind !== "block" && kind !== "sparse") return { records: 0, payloadBytes: 0 };
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const records = kind === "block" ? seq - fromSeq + 1 : view.getUint32(12, true);
  return { records, payloadBytes: view.getUint32(8, true) };
}
