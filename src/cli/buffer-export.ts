import { linuxClock } from "../device/linux/clock.ts";
import type { Inspection, StoredEntry } from "../outbox/inspect.ts";
import { isoTime } from "../record/json.ts";
import { decodeMessage, type StoredMessage } from "../record/message.ts";
import { decodeSample } from "../record/record.ts";
import { type BootOffsets, sampleTime } from "../record/time.ts";
import type { CliIo } from "./io.ts";

const clock = linuxClock();
/** An export that is written somewhere slow must not gather in memory: so much text goes out at once. */
const EXPORT_CHUNK_CHARS = 64 * 1024;
/** Whoever waits for less needs no progress. */
const PROGRESS_EVERY_MS = 1_000;

/** What all lines of an export have in common. */
export interface Origin {
  readonly stream: string | undefined;
  /** Unknown where only the folder is. */
  readonly device: string | undefined;
  /** What time it was in which boot. */
  readonly boots: BootOffsets;
}

/** One record as a line of JSON with always the same keys in the same order, so that a database can import it. */
export function exportLine({ seq, record }: StoredEntry, origin: Origin): string {
  const { stream, device, boots } = origin;
  const message = decodeMessage(record);
  if (message) return messageLine(seq, message, origin);
  const { topic, fieldsJson, historical, ...taken } = decodeSample(record);
  const { wallMs, clock: mark = "synced" } = sampleTime(taken, clock, boots);
  const [, sensor = null] = /^telemetry\/(.*)$/.exec(topic) ?? [];
  const before = { stream: stream ?? null, seq, time: isoTime(wallMs), clock: mark, historical };
  const head = JSON.stringify({ ...before, device: device ?? null, topic, sensor });
  return `${head.slice(0, -1)},"fields":{${fieldsJson}}}`;
}

/** A message of the user's own code: its topic is whole, its payload text where it is text. */
function messageLine(seq: number, { topic, payload }: StoredMessage, { stream, device }: Origin): string {
  const bytes = Buffer.from(payload);
  const text = bytes.toString();
  const fields = Buffer.from(text).equals(bytes)
    ? { payload: text }
    : { payload_base64: bytes.toString("base64") };
  const head = { stream: stream ?? null, seq, time: null, clock: null, historical: null };
  return JSON.stringify({ ...head, device: device ?? null, topic, sensor: null, fields });
}

/** Every record of `entries`, a line each; on a terminal stderr tells how far it is. */
export async function exportLines(
  outbox: Inspection,
  which: "all" | "unacknowledged",
  origin: Origin,
  io: CliIo,
): Promise<void> {
  let chunk = "";
  let written = 0;
  let unreadable = 0;
  let toldAtMs = clock.monotonicMs();
  const total = which === "all" ? "" : ` of ${outbox.depth}`;
  let told = false;
  for (const entry of outbox.entries(which)) {
    try {
      chunk += `${exportLine(entry, origin)}\n`;
    } catch {
      // An account of what a node once stored: one record that this version cannot read must not hide the others.
      unreadable++;
      continue;
    }
    written++;
    if (chunk.length < EXPORT_CHUNK_CHARS) continue;
    io.stdout(chunk);
    chunk = "";
    if (io.logsToTty && clock.monotonicMs() - toldAtMs >= PROGRESS_EVERY_MS) {
      io.stderr(`\r${written}${total} records`);
      toldAtMs = clock.monotonicMs();
      told = true;
    }
    await new Promise(setImmediate);
  }
  io.stdout(chunk);
  if (told) io.stderr(`\r${written}${total} records\n`);
  if (unreadable > 0) io.stderr(`${unreadable} records cannot be read and are not among them\n`);
}
