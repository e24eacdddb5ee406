import { monitorEventLoopDelay } from "node:perf_hooks";
import type { ProcessVitals } from "./health.ts";

/** What the `health` message tells of this process. */
export function processVitals(): ProcessVitals {
  const delays = monitorEventLoopDelay({ resolution: 20 });
  delays.enable();
  return {
    rssBytes: () => process.memoryUsage.rss(),
    eventLoopDelayMs() {
      const worstMs = delays.max / 1e6;
      delays.reset();
      return Math.max(0, worstMs);
    },
  };
}
