/** A record on its way to the broker. */
export interface Flight {
  readonly seq: number;
  /** How many messages it is. */
  readonly messages: number;
  landed: boolean;
}

/**
 * The records on their way, oldest first: together at most `size` messages, so that a link that breaks repeats no more than
 * that, and the last of them by as many as it has itself.
 */
export interface Window {
  /** Records. */
  inFlight(): number;
  room(): number;
  /** Resolves when there is room, or the link is closed. */
  whenRoom(): Promise<void>;
  /** Resolves when nothing is on its way any more, or the link is closed. */
  whenEmpty(): Promise<void>;
  /** `messages`: default 1. */
  takeOff(seq: number, messages?: number): Flight;
  /** Calls `go` when its message may go: at once, or when no more than `size` are unanswered, in the order of the calls. */
  send(go: () => void): void;
  /** One of the messages that went is answered. */
  answered(): void;
  /** The broker has it, or never will. PUBACKs may come in any order; `ack` is called for what has landed without a gap. */
  land(flight: Flight): void;
}

/** `size` may change: what is on its way already stays so. */
export function createWindow(size: () => number, closed: AbortSignal, ack: (seq: number) => void): Window {
  const flights: Flight[] = [];
  const held: (() => void)[] = [];
  /** Messages of the flights. */
  let load = 0;
  let unanswered = 0;
  let settling = false;
  let wake: (() => void) | undefined;
  const whenEmpty = new Set<() => void>();
  // What has landed is settled before anybody hears that the link is gone: the outbox may be closed next.
  const finish = () => {
    settle();
    wake?.();
    emptied();
  };
  closed.addEventListener("abort", finish, { once: true });

  function settle(): void {
    settling = false;
    let landed = 0;
    while (flights[landed]?.landed) landed++;
    if (landed === 0) return;
    ack(flights[landed - 1]!.seq);
    for (const { messages } of flights.splice(0, landed)) load -= messages;
    wake?.();
    if (flights.length === 0) emptied();
  }

  function emptied(): void {
    for (const resolve of whenEmpty) resolve();
    whenEmpty.clear();
  }

  /** What has taken off is to land, also where nothing more may take off: one message at a time then. */
  function release(): void {
    while (held.length > 0 && unanswered < Math.max(1, size()) && !closed.aborted) {
      unanswered++;
      held.shift()!();
    }
  }

  return {
    inFlight: () => flights.length,
    room: () => Math.max(0, size() - load),
    whenRoom: () =>
      new Promise((resolve) => {
        wake = resolve;
        if (load < size() || closed.aborted) resolve();
      }),
    whenEmpty: () =>
      new Promise((resolve) => {
        if (flights.length === 0 || closed.aborted) resolve();
        else whenEmpty.add(resolve);
      }),
    takeOff(seq, messages = 1) {
      // One that is no message takes its place until it is settled: a backlog of them must not hold up everything else.
      const flight = { seq, messages: Math.max(1, messages), landed: false };
      flights.push(flight);
      load += flight.messages;
      return flight;
    },
    send(go) {
      held.push(go);
      release();
    },
    answered() {
      unanswered--;
      release();
    },
    land(flight) {
      if (closed.aborted) return;
      flight.landed = true;
      // Once for all PUBACKs of one read: the next records then leave in one write.
      if (!settling) setImmediate(settle);
      settling = true;
    },
  };
}
