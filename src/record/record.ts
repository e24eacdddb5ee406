/**
 * One reading or event as the outbox stores it.
 *
 * The layout lets the uplink splice the wire's JSON together without parsing what is stored (see `json.ts`):
 *
 *     0  u8   version (1)
 *     1  u8   flags: 1 clock was synced, 2 no broker session at the time (historical)
 *     2  u8   length of the topic
 *     3  u8   reserved (0)
 *     4  f64  wall time, milliseconds since the epoch, little-endian
 *    12  f64  monotonic time, milliseconds since the kernel booted, little-endian
 *    20  u32  kernel boot id (its first 8 hex digits)
 *    24       topic below the topic root, UTF-8 (`telemetry/air`)
 *     +       the fields as the inside of a JSON object, UTF-8 (`"temperature":21.4,"humidity":48`), may be empty
 */
export interface Sample {
  /** Below the topic root: `telemetry/air`, `event/boot`. */
  readonly topic: string;
  readonly wallMs: number;
  readonly monotonicMs: number;
  readonly bootId: string;
  /** Whether the system clock had been set when the sample was taken. */
  readonly synced: boolean;
  /** Whether the sample was taken while the node had no session with the broker. */
  readonly historical: boolean;
  /** The inside of a JSON object: no braces. */
  readonly fieldsJson: string;
}

const VERSION = 1;
const HEADER_BYTES = 24;
const SYNCED = 1;
const HISTORICAL = 2;

export function encodeSample(sample: Sample): Uint8Array {
  const topicBytes = Buffer.byteLength(sample.topic);
  if (topicBytes > 255) throw new RangeError(`topic longer than 255 bytes: ${sample.topic}`);
  const record = Buffer.allocUnsafe(HEADER_BYTES + topicBytes + Buffer.byteLength(sample.fieldsJson));
  record[0] = VERSION;
  record[1] = (sample.synced ? SYNCED : 0) | (sample.historical ? HISTORICAL : 0);
  record[2] = topicBytes;
  record[3] = 0;
  record.writeDoubleLE(sample.wallMs, 4);
  record.writeDoubleLE(sample.monotonicMs, 12);
  record.writeUInt32LE(Number.parseInt(sample.bootId, 16), 20);
  record.write(sample.topic, HEADER_BYTES);
  record.write(sample.fieldsJson, HEADER_BYTES + topicBytes);
  return record;
}

/** Throws where the bytes are not a record of a known version. */
export function decodeSample(record: Uint8Array): Sample {
  const bytes = Buffer.from(record.buffer, record.byteOffset, record.byteLength);
  if (bytes.length < HEADER_BYTES || bytes[0] !== VERSION)
    throw new Error(`unknown record version ${bytes[0]}`);
  const flags = bytes[1]!;
  const fieldsAt = HEADER_BYTES + bytes[2]!;
  return {
    topic: bytes.toString("utf8", HEADER_BYTES, fieldsAt),
    wallMs: bytes.readDoubleLE(4),
    monotonicMs: bytes.readDoubleLE(12),
    bootId: bytes.readUInt32LE(20).toString(16).padStart(8, "0"),
    synced: (flags & SYNCED) !== 0,
    historical: (flags & HISTORICAL) !== 0,
    fieldsJson: bytes.toString("utf8", fieldsAt),
  };
}

/** Turns an object's own fields into what {@link Sample.fieldsJson} holds. */
export function fieldsToJson(fields: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(fields).slice(1, -1);
}
