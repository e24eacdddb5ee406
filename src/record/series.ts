/** Readings go out below this level of the topic root; whatever else is recorded is an event. */
const READINGS = Buffer.from("telemetry/");

/** Where a sample keeps its version, its topic's length, and its topic (`record.ts`). */
const VERSION = 1;
const TOPIC_BYTES_AT = 2;
const TOPIC_AT = 24;

/**
 * Whose reading a record is: the topic of its sensor, without the rest being decoded. Undefined: an event, or a message
 * of the user's own code.
 */
export function seriesOf(record: Uint8Array): string | undefined {
  const bytes = Buffer.from(record.buffer, record.byteOffset, record.byteLength);
  if (bytes[0] !== VERSION || bytes.indexOf(READINGS, TOPIC_AT) !== TOPIC_AT) return undefined;
  return bytes.toString("latin1", TOPIC_AT, TOPIC_AT + bytes[TOPIC_BYTES_AT]!);
}
