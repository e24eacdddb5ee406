/** A record on its way to the broker. */
export interface Flight {
  readonly seq: number;
  landed: boolean;
}

/** The records on their way, oldest first: at most `size`, so that a link that breaks repeats no more than that. */
export interface Window {
  inFlight(): number;
  room(): number;
  /** Resolves when there is room, or the link is closed. */
  whenRoom(): Promise<void>;
  /** Resolves when nothing is on its way any more, or the link is closed. */
  whenEmpty(): Promise<void>;
  takeOff(seq: number): Flight;
  /** The broker has it, or never will. PUBACKs may come in any order; `ack` is called for what has landed without a gap. */
  land(flight: Flight): void;
}

/** `size` may change: what is on its way already stays so. */
export function createWindow(size: () => number, closed: AbortSignal, ack: (seq: number) => void): Window {
  const flights: Flight[] = [];
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
    flights.splice(0, landed);
    wake?.();
    if (flights.length === 0) emptied();
  }

  function emptied(): void {
    for (const resolve of whenEmpty) resolve();
    whenEmpty.clear();
  }

  return {
    inFlight: () => flights.length,
    room: () => Math.max(0, size() - flights.length),
    whenRoom: () =>
      new Promise((resolve) => {
        wake = resolve;
        if (flights.length < size() || closed.aborted) resolve();
      }),
    whenEmpty: () =>
      new Promise((resolve) => {
        if (flights.length === 0 || closed.aborted) resolve();
        else whenEmpty.add(resolve);
      }),
    takeOff(seq) {
      const flight = { seq, landed: false };
      flights.push(flight);
      return flight;
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
