import type { Log } from "../log.ts";
import type { Outbox } from "../outbox/outbox.ts";
import type { Recorder } from "../record/recorder.ts";
import { recordDrops } from "./watch.ts";

/** What somebody had dropped by hand. */
export interface Dropped {
  readonly count: number;
  /** Absent: nothing was there to drop. */
  readonly fromSeq?: number;
  readonly toSeq?: number;
}

/** Looked at in one go, so that a large backlog does not hold the node up. */
const PAGE_RECORDS = 1_000;

/**
 * Drops what waits, up to and including `toSeq`, and says so in the stream: `event/dropped` with reason `operator`.
 * Where the dropped records were themselves accounts of losses, those are told anew, so that whoever counts misses nothing.
 */
export async function dropWaiting(
  outbox: Outbox,
  recorder: Recorder,
  log: Log,
  toSeq: number,
): Promise<Dropped> {
  // What is lost already and not told yet is told first: its record must not come from what is dropped now.
  recordDrops(outbox, recorder, log);
  let count = 0;
  let fromSeq: number | undefined;
  // The oldest change also where what is too old goes by itself: then there is nothing to see yet.
  for (let before = 0; ; ) {
    const firstSeq = outbox.status().firstSeq ?? Number.POSITIVE_INFINITY;
    if (firstSeq > toSeq || firstSeq === before) break;
    before = firstSeq;
    const page = outbox.peek(0, PAGE_RECORDS).filter(({ seq }) => seq <= toSeq);
    const last = page.at(-1);
    if (last !== undefined) {
      fromSeq ??= page[0]!.seq;
      count += outbox.drop(last.seq);
    }
    await new Promise(setImmediate);
  }
  recordDrops(outbox, recorder, log);
  return fromSeq === undefined ? { count } : { count, fromSeq, toSeq };
}
