import type { LogTotals } from "./log-end.ts";
import type { Segment } from "./segment.ts";

/** Records on disk, acknowledged ones among them, and the room that they take there, compressed or not. */
export interface Stored {
  readonly records: number;
  readonly payloadBytes: number;
  readonly bytes: number;
}

/** What segments hold, oldest first. `totals`: of the stream up to their end. Each header counts what came before it. */
export function storedIn(segments: readonly Segment[], totals: LogTotals): Stored {
  const newest = segments.at(-1);
  const { recordsBefore, bytesBefore } = segments[0]?.header ?? {
    recordsBefore: totals.records,
    bytesBefore: totals.bytes,
  };
  return {
    records: totals.records - recordsBefore,
    payloadBytes: totals.bytes - bytesBefore,
    // Those before the newest are taken as full: what is left free at their ends is room that the records cost, too.
    bytes: segments.reduce(
      (sum, segment) => sum + (segment === newest ? segment.endOffset : segment.sizeBytes),
      0,
    ),
  };
}
