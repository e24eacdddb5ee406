/**
 * A message of the user's own code as the outbox stores it. It shares the outbox and its numbers with the samples
 * (`record.ts`) and is told from them by its version:
 *
 *     0  u8   version (2)
 *     1  u8   bits 0-1: QoS; bit 2: retain
 *     2  u16  length of the topic, little-endian
 *     4       the whole topic, UTF-8
 *     +       the payload as it goes out
 */
export interface StoredMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
}

const VERSION = 2;
const HEADER_BYTES = 4;
const RETAIN = 4;

export function encodeMessage({ topic, payload, qos, retain }: StoredMessage): Uint8Array {
  const topicBytes = Buffer.byteLength(topic);
  const record = Buffer.allocUnsafe(HEADER_BYTES + topicBytes + payload.length);
  record[0] = VERSION;
  record[1] = qos | (retain ? RETAIN : 0);
  record.writeUInt16LE(topicBytes, 2);
  record.write(topic, HEADER_BYTES);
  record.set(payload, HEADER_BYTES + topicBytes);
  return record;
}

/** Undefined where the record is something else. */
export function decodeMessage(record: Uint8Array): StoredMessage | undefined {
  if (record[0] !== VERSION) return undefined;
  const bytes = Buffer.from(record.buffer, record.byteOffset, record.byteLength);
  const payloadAt = HEADER_BYTES + bytes.readUInt16LE(2);
  const qos = bytes[1]! & 3;
  if (qos === 3 || payloadAt > bytes.length) throw new Error("a stored message is damaged");
  return {
    topic: bytes.toString("utf8", HEADER_BYTES, payloadAt),
    payload: bytes.subarray(payloadAt),
    qos: qos as 0 | 1 | 2,
    retain: (bytes[1]! & RETAIN) !== 0,
  };
}
