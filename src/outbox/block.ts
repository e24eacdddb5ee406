/** Several records as one compressed entry of the log. FORMAT.md says how it is laid out. */
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { type LogEntry, storedBytes, storedTimeMs, TIME_UNKNOWN_MS } from "./segment-format.ts";

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
  payload.writeBigUInt64LE(BigInt(first.seq), 0);
  payload.writeUInt32LE(payloadBytes, 8);
  compressed.copy(payload, HEAD_BYTES);
  const apartBytes = records.reduce((sum, record) => sum + storedBytes(record.payload.length), 0);
  if (storedBytes(payload.length) >= apartBytes) return undefined;
  return { kind: "block", fromSeq: first.seq, seq: last.seq, wallMs: TIME_UNKNOWN_MS, payload };
}

/** The records of a block. Undefined where it holds something else: no writer of ours has made it. */
export function unpackBlock(block: LogEntry): LogEntry[] | undefined {
  const { records: count, payloadBytes } = weigh(block);
  const plainBytes = count * ROW_BYTES + payloadBytes;
  let plain: Buffer;
  try {
    plain = inflateRawSync(block.payload.subarray(HEAD_BYTES), { maxOutputLength: Math.max(plainBytes, 1) });
  } catch {
    return undefined;
  }
  if (plain.length !== plainBytes) return undefined;
  const records: LogEntry[] = [];
  let payloadAt = count * ROW_BYTES;
  for (let nth = 0; nth < count; nth++) {
    const end = payloadAt + plain.readUInt32LE(nth * ROW_BYTES);
    if (end > plainBytes) return undefined;
    const seq = block.fromSeq + nth;
    const wallMs = plain.readUIntLE(nth * ROW_BYTES + 4, 6);
    records.push({ kind: "record", fromSeq: seq, seq, wallMs, payload: plain.subarray(payloadAt, end) });
    payloadAt = end;
  }
  return records;
}

/** How many records an entry stands for, and the bytes of their payloads. */
export function weigh({ kind, fromSeq, seq, payload }: LogEntry): {
  readonly records: number;
  readonly payloadBytes: number;
} {
  if (kind === "record") return { records: 1, payloadBytes: payload.length };
  if (kind !== "block") return { records: 0, payloadBytes: 0 };
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  return { records: seq - fromSeq + 1, payloadBytes: view.getUint32(8, true) };
}
