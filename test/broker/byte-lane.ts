/** One direction of a connection: bytes leave in order, at a rate that may change at any time. */
export interface ByteLane {
  push(bytes: Buffer): void;
  /** Calls back once everything has left. */
  end(done: () => void): void;
  /** Forgets what has not left yet. */
  stop(): void;
}

/** How often a slow lane lets go of some bytes. */
const STEP_MS = 20;

/** `bytesPerSecond` undefined: at once. */
export function byteLane(
  deliver: (bytes: Buffer) => void,
  bytesPerSecond: () => number | undefined,
): ByteLane {
  let waiting = Buffer.alloc(0);
  let timer: NodeJS.Timeout | undefined;
  let ended: (() => void) | undefined;

  function step(): void {
    timer = undefined;
    const rate = bytesPerSecond();
    const count = rate === undefined ? waiting.length : Math.max(1, Math.round((rate * STEP_MS) / 1_000));
    const leaving = waiting.subarray(0, count);
    waiting = waiting.subarray(count);
    if (leaving.length > 0) deliver(leaving);
    if (waiting.length > 0) timer = setTimeout(step, STEP_MS);
    else ended?.();
  }

  return {
    push(bytes) {
      waiting = Buffer.concat([waiting, bytes]);
      if (timer === undefined) step();
    },
    end(done) {
      if (timer === undefined) done();
      else ended = done;
    },
    stop() {
      clearTimeout(timer);
      timer = undefined;
      waiting = Buffer.alloc(0);
    },
  };
}
