import type { Amount, Held, Stored } from "../outbox.ts";
import type { HeadPosition } from "./head.ts";
import type { LogTotals } from "./log-end.ts";
import type { Segment } from "./segment.ts";

/** What segments hold, oldest first. `totals`: of the stream up to their end. Each header counts what came before it. */
export function storedIn(segments: readonly Segment[], totals: LogTotals): Stored {
  const isFresh = ({ header }: Segment) => header.rewritten === undefined;
  const stored = heldBy(segments, () => true, totals);
  return segments.every(isFresh) ? stored : { ...stored, fresh: heldBy(segments, isFresh, totals) };
}

/** What waits, of which some may be acknowledged ahead: `ahead` numbers, without those whose records are not there any more. */
export function withoutAhead({ records, payloadBytes }: Amount, ahead: number): Amount {
  const left = Math.max(0, records - ahead);
  // Of what is acknowledged ahead only the number is known: its share is taken to be as large as the rest.
  return {
    records: left,
    payloadBytes: left === records ? payloadBytes : Math.round((payloadBytes * left) / records),
  };
}

/** What segments hold beyond the acknowledged number. */
export function waitingBeyond(
  { segment, behind }: HeadPosition,
  segments: readonly Segment[],
  totals: LogTotals,
): Amount {
  const at = segment === undefined ? segments.length : segments.indexOf(segment);
  const held = heldBy(segments, (_, nth) => nth >= at, totals);
  return {
    records: held.records - behind.records,
    payloadBytes: held.payloadBytes - behind.payloadBytes,
  };
}

/**
 * Records beyond the acknowledged number that were given up when segments were rewritten. Those that were acknowledged
 * when the segment was rewritten count as well where it holds the acknowledged number, but no more than it has numbers left.
 */
export function givenUpBeyond(
  { segment, behind }: HeadPosition,
  ackedSeq: number,
  segments: readonly Segment[],
  totals: LogTotals,
): number {
  const at = segment === undefined ? segments.length : segments.indexOf(segment);
  return segments.slice(at).reduce((sum, { header, lastSeq }, nth) => {
    if (header.rewritten === undefined) return sum;
    const { records } = header.rewritten;
    const givenUp = nextCounts(segments, at + nth, totals).records - header.recordsBefore - records;
    if (nth > 0) return sum + givenUp;
    const numbersLeft = lastSeq - Math.max(ackedSeq, header.firstSeq - 1);
    return sum + Math.max(0, Math.min(givenUp, numbersLeft - (records - behind.records)));
  }, 0);
}

function heldBy(
  segments: readonly Segment[],
  which: (segment: Segment, nth: number) => boolean,
  totals: LogTotals,
): Held {
  let records = 0;
  let payloadBytes = 0;
  let bytes = 0;
  for (const [nth, segment] of segments.entries()) {
    if (!which(segment, nth)) continue;
    const { rewritten, recordsBefore, bytesBefore } = segment.header;
    const next = nextCounts(segments, nth, totals);
    records += rewritten?.records ?? next.records - recordsBefore;
    payloadBytes += rewritten?.payloadBytes ?? next.bytes - bytesBefore;
    // Those before the newest are taken as full: what is left free at their ends is room that the records cost, too.
    bytes += nth === segments.length - 1 ? segment.endOffset : segment.sizeBytes;
  }
  return { records, payloadBytes, bytes };
}

/** What the stream counted where the segment after the `nth` begins. */
function nextCounts(segments: readonly Segment[], nth: number, totals: LogTotals): LogTotals {
  const next = segments[nth + 1]?.header;
  return next ? { records: next.recordsBefore, bytes: next.bytesBefore } : totals;
}
