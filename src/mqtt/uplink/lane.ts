import type { Entry, Outbox } from "../../outbox/outbox.ts";
import type { Pace } from "../link/pace.ts";
import type { Window } from "./window.ts";

/** Some of the outbox's records on their way to the broker, in order. */
export interface Lane {
  readonly outbox: Outbox;
  /** From this number on, */
  readonly fromSeq: number;
  /** up to below this one; Infinity: whatever comes. */
  readonly untilSeq: number;
  readonly window: Window;
  readonly pace: Pace;
  /** Ends the lane. */
  readonly over: AbortSignal;
  readonly send: (entry: Entry, window: Window) => void;
}

/** Sends what is there and what comes. Resolves when all below `untilSeq` has been sent, or when it is over. */
export async function runLane({ outbox, fromSeq, untilSeq, window, pace, over, send }: Lane): Promise<void> {
  for (let next = fromSeq; next < untilSeq; ) {
    await outbox.available(next, over);
    await window.whenRoom();
    const allowed = await pace.take(window.room(), over);
    if (over.aborted) return;
    const entries = outbox.peek(next, allowed);
    const own = entries.filter(({ seq }) => seq < untilSeq);
    pace.spent(own.length);
    for (const entry of own) {
      next = entry.seq + 1;
      send(entry, window);
    }
    if (own.length < entries.length) return;
  }
}
