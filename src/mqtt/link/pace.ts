import type { Clock } from "../../device/clock.ts";

/** Limits how many records a second go out. */
export interface Pace {
  /** Resolves with how many of `wanted` may go now, at least one; with 0 when `signal` aborts. */
  take(wanted: number, signal: AbortSignal): Promise<number>;
  /** Says how many of them went. */
  spent(count: number): void;
}

/** Records that may go together after a pause, as time at the full rate: small enough to be smooth, large enough to batch. */
const BURST_MS = 50;

/** `ratePerSecond` 0: no limit. */
export function createPace(ratePerSecond: number, clock: Clock): Pace {
  if (ratePerSecond === 0) return { take: async (wanted) => wanted, spent() {} };
  const capacity = Math.max(1, (ratePerSecond * BURST_MS) / 1_000);
  let tokens = capacity;
  let filledAtMs = clock.monotonicMs();

  function fill(): void {
    const nowMs = clock.monotonicMs();
    tokens = Math.min(capacity, tokens + ((nowMs - filledAtMs) * ratePerSecond) / 1_000);
    filledAtMs = nowMs;
  }

  return {
    async take(wanted, signal) {
      fill();
      while (tokens < 1) {
        await clock.sleep(((1 - tokens) * 1_000) / ratePerSecond, signal);
        if (signal.aborted) return 0;
        fill();
      }
      return Math.min(wanted, Math.floor(tokens));
    },
    spent(count) {
      tokens -= count;
    },
  };
}
