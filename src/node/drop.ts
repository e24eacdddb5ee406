import type { Log } from "../log.ts";
import type { Outbox } from "../outbox/outbox.ts";
import { decodeSample } from "../record/record.ts";
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

/** A record that accounts for others. */
interface Account {
  readonly from_seq?: unknown;
  readonly to_seq?: unknown;
  readonly count?: unknown;
  readonly reason?: unknown;
  readonly skipped?: { readonly from_seq: unknown; readonly to_seq: unknown };
}

/**
 * Drops what waits, up to and including `toSeq`, and says so in the stream: `event/dropped` with reason `operator`.
 * Where the dropped records were themselves accounts of losses (`event/dropped`, a boot's `skipped`), those are told
 * anew, so that whoever counts misses nothing.
 */
export async function dropWaiting(
  outbox: Outbox,
  recorder: Recorder,
  log: Log,
  toSeq: number,
): Promise<Dropped> {
  // What is lost already and not told yet is told first: its record must not come from what is dropped now.
  recordDrops(outbox, recorder, log);
  const firstSeq = outbox.status().firstSeq;
  const accounts: Record<string, unknown>[] = [];
  let count = 0;
  for (;;) {
    const page = outbox.peek(0, PAGE_RECORDS).filter(({ seq }) => seq <= toSeq);
    const last = page.at(-1);
    if (last === undefined) break;
    for (const { record } of page) accounts.push(...accountsIn(record));
    count += outbox.drop(last.seq);
    await new Promise(setImmediate);
  }
  recordDrops(outbox, recorder, log);
  for (const account of accounts) recorder.record("event/dropped", account);
  if (count === 0 || firstSeq === undefined) return { count: 0 };
  return { count, fromSeq: firstSeq, toSeq };
}

function accountsIn(record: Uint8Array): Record<string, unknown>[] {
  const { topic, fieldsJson } = readable(record);
  if (topic !== "event/dropped" && topic !== "event/boot") return [];
  const { from_seq, to_seq, count, reason, skipped } = JSON.parse(`{${fieldsJson}}`) as Account;
  if (topic === "event/dropped") return [{ from_seq, to_seq, count, reason }];
  return skipped ? [{ ...skipped, count: 0, reason: "skipped" }] : [];
}

/** A record that cannot be read accounts for nothing. */
function readable(record: Uint8Array): { readonly topic: string; readonly fieldsJson: string } {
  try {
    return decodeSample(record);
  } catch {
    return { topic: "", fieldsJson: "" };
  }
}
