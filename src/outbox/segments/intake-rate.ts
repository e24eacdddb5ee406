import type { FileLayer } from "../files/files.ts";
import { entriesOf, type Segment } from "./segment.ts";
import { knownTimeMs, type LogEntry } from "./segment-format.ts";

/** What was stored over some time, as the segments tell it. */
export interface StoredIntake {
  readonly records: number;
  readonly payloadBytes: number;
  readonly elapsedMs: number;
}

const WINDOW_MS = 86_400_000;
/** Over less nothing can be said. */
const LEAST_MS = 600_000;

/**
 * How much was stored in the last day that the segments know of, from nothing but their headers, which count what came
 * before them, and the time of each one's first record. Undefined where that is too little, or undated.
 */
export function storedIntake(files: FileLayer, segments: readonly Segment[]): StoredIntake | undefined {
  let newest: { readonly segment: Segment; readonly wallMs: number } | undefined;
  let oldest = newest;
  for (const segment of segments.toReversed()) {
    const wallMs = knownTimeMs(firstRecord(files, segment));
    if (wallMs === undefined) continue;
    newest ??= { segment, wallMs };
    if (newest.wallMs - wallMs > WINDOW_MS) break;
    oldest = { segment, wallMs };
  }
  if (newest === undefined || oldest === undefined) return undefined;
  const elapsedMs = newest.wallMs - oldest.wallMs;
  if (elapsedMs < LEAST_MS) return undefined;
  return {
    records: newest.segment.header.recordsBefore - oldest.segment.header.recordsBefore,
    payloadBytes: newest.segment.header.bytesBefore - oldest.segment.header.bytesBefore,
    elapsedMs,
  };
}

function firstRecord(files: FileLayer, segment: Segment): LogEntry | undefined {
  for (const entry of entriesOf(files, segment)) if (entry.kind === "record") return entry;
  return undefined;
}
