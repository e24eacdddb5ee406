import type { Clock } from "../../device/clock.ts";
import type { Outbox } from "../../outbox/outbox.ts";
import type { OpenLink, Outgoing } from "../link/link.ts";
import { createPace } from "../link/pace.ts";

/** What became of a range that somebody wanted again. */
export interface Resent {
  /** Records published again and acknowledged. */
  readonly resent: number;
  /** Those that the broker has never acknowledged: they go out anyhow, in their turn. */
  readonly waiting: number;
  /** Numbers that are not on disk any more, or never held a record: the first ranges of them. */
  readonly missing: readonly { readonly from_seq: number; readonly to_seq: number }[];
  /** How many numbers that are. */
  readonly missing_count: number;
}

export interface ResendOptions {
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly link: () => OpenLink | undefined;
  /** The record's messages, marked as sent again. */
  readonly spell: (seq: number, record: Uint8Array) => readonly Outgoing[];
}

/** More in one command would keep the node's commands waiting for minutes. */
export const RESEND_MAX = 10_000;

/** So many are on the way at once, beside the new records: a fraction of what any broker takes. */
const IN_FLIGHT = 4;
const RATE_PER_SECOND = 500;
/** Records that wait, looked at in one go: nothing else gives the rest of the node its turn there. */
const LOOKED_AT = 500;
/** Ranges named in the answer. */
const MISSING_MAX = 16;

/** Publishes records again that are still on disk or in the tail. Rejects, with an error for people, where it cannot go on. */
export async function resend(fromSeq: number, toSeq: number, options: ResendOptions): Promise<Resent> {
  const { outbox, clock } = options;
  if (toSeq - fromSeq >= RESEND_MAX) throw new Error(`at most ${RESEND_MAX} numbers at a time`);
  const link = options.link();
  if (!link) throw new Error("no broker");
  const pace = createPace(RATE_PER_SECOND, clock);
  const missing = createMissing(fromSeq);
  const inFlight = new Set<Promise<void>>();
  let resent = 0;
  let waiting = 0;
  let failure: Error | undefined;
  for (const { seq, record, acknowledged } of outbox.history(fromSeq, toSeq)) {
    missing.found(seq);
    if (!acknowledged) {
      if (++waiting % LOOKED_AT === 0) await new Promise(setImmediate);
      continue;
    }
    await pace.take(1, link.closed);
    pace.spent(1);
    while (inFlight.size >= IN_FLIGHT) await Promise.race(inFlight);
    if (failure || link.closed.aborted) break;
    const messages = spelled(seq, record, options.spell);
    if (messages === undefined) continue;
    const flight = inTurn(messages, link).then(
      () => {
        resent++;
      },
      (error: Error) => {
        failure ??= error;
      },
    );
    inFlight.add(flight);
    void flight.then(() => inFlight.delete(flight));
  }
  await Promise.all(inFlight);
  if (failure || link.closed.aborted)
    throw new Error(
      `${resent} were published again, then: ${(failure ?? (link.closed.reason as Error)).message}`,
    );
  missing.found(toSeq + 1);
  return { resent, waiting, missing: missing.ranges, missing_count: missing.count() };
}

/** A record that cannot be read any more was reported when it could not be sent the first time. */
function spelled(
  seq: number,
  record: Uint8Array,
  spell: ResendOptions["spell"],
): readonly Outgoing[] | undefined {
  try {
    return spell(seq, record);
  } catch {
    return undefined;
  }
}

async function inTurn(messages: readonly Outgoing[], link: OpenLink): Promise<void> {
  for (const message of messages) await link.publish(message);
}

function createMissing(fromSeq: number) {
  const ranges: { from_seq: number; to_seq: number }[] = [];
  let next = fromSeq;
  let count = 0;
  return {
    ranges,
    count: () => count,
    found(seq: number) {
      if (seq > next && ranges.length < MISSING_MAX) ranges.push({ from_seq: next, to_seq: seq - 1 });
      count += Math.max(0, seq - next);
      next = seq + 1;
    },
  };
}
