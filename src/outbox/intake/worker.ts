import type { Clock } from "../../device/clock.ts";

const IDLE_PAUSE_MS = 10;
/** Between pieces of work that are not urgent. */
export const PIECE_PAUSE_MS = 5;

/** A background loop: sleeps until its work is due, does it, asks again when. */
export class Worker {
  readonly #clock: Clock;
  #ended: Promise<void> = Promise.resolve();
  #nap = new AbortController();
  readonly #stopped = new AbortController();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `dueMs` tells the monotonic time of the next piece of work. */
  start(dueMs: () => number, work: () => Promise<void>): void {
    this.#ended = this.#run(dueMs, work);
  }

  /** Something has changed: ask again when work is due. */
  wake(): void {
    // With a reason of its own, abort() makes no DOMException: this runs at every append.
    this.#nap.abort("woken");
  }

  /** Resolves when the work under way has ended. */
  stop(): Promise<void> {
    this.#stopped.abort();
    this.wake();
    return this.#ended;
  }

  async #run(dueMs: () => number, work: () => Promise<void>): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      this.#nap = new AbortController();
      const due = dueMs();
      const waitMs = due - this.#clock.monotonicMs();
      if (waitMs > 0) await this.#clock.sleep(waitMs, this.#nap.signal);
      else {
        await work();
        // Work that changes nothing must not hold up the process: whatever else is wrong, others have their turn.
        if (dueMs() <= due) await this.#clock.sleep(IDLE_PAUSE_MS, this.#stopped.signal);
      }
    }
  }
}
