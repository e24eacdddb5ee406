import type { HeadPosition } from "./head.ts";
import type { LogTotals } from "./log-end.ts";
import type { Segment } from "./segment.ts";

/** How many records, and the bytes of their payloads. */
export interface Amount {
  readonly records: number;
  readonly payloadBytes: number;
}

/** Records on disk, acknowledged ones among them, and the room that they take there, compressed or not. */
export interface Stored extends Amount {
  readonly bytes: number;
}

/** What segments hold, oldest first. `totals`: of the stream up to their end. Each header counts what came before it. */
export function storedIn(segments: readonly Segment[], totals: LogTotals): Stored {
  const newest = segments.at(-1);
  return {
    ...heldFrom(segments, 0, totals),
    // Those before the newest are taken as full: what is left free at their ends is room that the records cost, too.
    bytes: segments.reduce(
      (sum, segment) => sum + (segment === newest ? segment.endOffset : segment.sizeBytes),
      0,
    ),
  };
}

/** What segments hold beyond the acknowledged number. */
export function waitingBeyond(
  { segment, behind }: HeadPosition,
  segments: readonly Segment[],
  totals: LogTotals,
): Amount {
  const at = segment === undefined ? segments.length : segments.indexOf(segment);
  const held = heldFrom(segments, at, totals);
  return {
    records: held.records - behind.records,
    payloadBytes: held.payloadBytes - behind.payloadBytes,
  };
}

/** Records that were given up when segments were rewritten, all that have not been used again since. */
export function givenUpIn(segments: readonly Segment[], totals: LogTotals): number {
  return segments.reduce((sum, { header }, nth) => {
    if (header.rewritten === undefined) return sum;
    return (
      sum + (nextCounts(segments, nth, totals).records - header.recordsBefore - header.rewritten.records)
    );
  }, 0);
}

function heldFrom(segments: readonly Segment[], from: number, totals: LogTotals): Amount {
  let records = 0;
  let payloadBytes = 0;
  for (let nth = from; nth < segments.length; nth++) {
    const { rewritten, recordsBefore, bytesBefore } = segments[nth]!.header;
    const next = nextCounts(segments, nth, totals);
    records += rewritten?.records ?? next.records - recordsBefore;
    payloadBytes += rewritten?.payloadBytes ?? next.bytes - bytesBefore;
  }
  return { records, payloadBytes };
}

/** What the stream counted where the segment after the `nth` begins. */
function nextCounts(segments: readonly Segment[], nth: number, totals: LogTotals): LogTotals {
  const next = segments[nth + 1]?.header;
  return next ? { records: next.recordsBefore, bytes: next.bytesBefore } : totals;
}
