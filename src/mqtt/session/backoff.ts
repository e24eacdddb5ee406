import type { Random } from "../../device/random.ts";

export interface BackoffBounds {
  readonly minMs: number;
  readonly maxMs: number;
}

/**
 * How long to wait after a number of failures in a row (1, 2, 3, ...): exponential, with full jitter, so that a thousand
 * nodes that lost the same broker do not come back at the same instant. Uniform between `minMs` and a ceiling that
 * doubles with each failure up to `maxMs`; even the first wait is spread.
 */
export function backoffMs(failures: number, { minMs, maxMs }: BackoffBounds, random: Random): number {
  const ceilingMs = Math.min(maxMs, minMs * 2 ** failures);
  return minMs + random() * (ceilingMs - minMs);
}
