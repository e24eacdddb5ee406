import type { Clock } from "../device/clock.ts";
import { writtenBytes } from "../device/linux/process-io.ts";

/** The node's own process, as the `health` message tells of it. */
export interface ProcessVitals {
  /** Resident memory, bytes. */
  rssBytes(): number;
  /** Bytes written to storage since it began; undefined where the kernel does not count them. */
  writtenBytes?(): number | undefined;
}

export function processVitals(): ProcessVitals {
  return { rssBytes: () => process.memoryUsage.rss(), writtenBytes: () => writtenBytes() };
}

/** How late the event loop is. */
export interface LoopWatch {
  /** How late it ran at worst since the last call, milliseconds. */
  worstDelayMs(): number;
  run(signal: AbortSignal): Promise<void>;
}

/** How often the loop is looked at. A stall is seen where it covers a look, so any longer one is. */
const LOOK_EVERY_MS = 1_000;

/** Measures by sleeping and seeing when it wakes up; node:perf_hooks does it finer, for memory and many wake-ups. */
export function watchLoop(clock: Clock, lookEveryMs = LOOK_EVERY_MS): LoopWatch {
  let worstMs = 0;
  return {
    worstDelayMs() {
      const passed = worstMs;
      worstMs = 0;
      return passed;
    },
    async run(signal) {
      while (!signal.aborted) {
        const dueMs = clock.monotonicMs() + lookEveryMs;
        await clock.sleep(lookEveryMs, signal);
        if (!signal.aborted) worstMs = Math.max(worstMs, clock.monotonicMs() - dueMs);
      }
    },
  };
}
