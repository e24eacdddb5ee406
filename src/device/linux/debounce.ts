import type { Clock } from "../clock.ts";
import type { LineValue } from "../gpio.ts";

export interface Debouncer {
  /** The level that last held long enough. */
  readonly settled: LineValue;
  /** The level that was last seen. */
  readonly seen: LineValue;
  observe(level: LineValue): void;
  stop(): void;
}

/**
 * Lets a level count only when it has held for `holdMs` (0: at once). `changed` gets it with the monotonic time at
 * which it began to hold.
 */
export function debouncer(
  clock: Clock,
  holdMs: number,
  initial: LineValue,
  changed: (level: LineValue, sinceMs: number) => void,
): Debouncer {
  let settled = initial;
  let seen = initial;
  let hold = new AbortController();

  async function settle(level: LineValue, signal: AbortSignal): Promise<void> {
    const sinceMs = clock.monotonicMs();
    if (holdMs > 0) await clock.sleep(holdMs, signal);
    if (signal.aborted) return;
    settled = level;
    changed(level, sinceMs);
  }

  return {
    get settled() {
      return settled;
    },
    get seen() {
      return seen;
    },
    observe(level) {
      if (level === seen) return;
      seen = level;
      hold.abort();
      hold = new AbortController();
      if (level !== settled) void settle(level, hold.signal);
    },
    stop: () => hold.abort(),
  };
}
