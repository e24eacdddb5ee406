import type { Random } from "../device/random.ts";

export interface BackoffLimits {
  /** Wait after the first failure. */
  readonly firstMs: number;
  /** The longest wait. */
  readonly maxMs: number;
}

/** How much of a wait chance may take away, so that the chips of one broken bus do not come back in step. */
const JITTER_SHARE = 0.2;

/** How long to wait after the `failures`-th failure in a row (1, 2, 3, ...): doubled each time, up to the limit. */
export function backoffMs(failures: number, { firstMs, maxMs }: BackoffLimits, random: Random): number {
  const wholeMs = Math.min(maxMs, firstMs * 2 ** (failures - 1));
  return wholeMs * (1 - JITTER_SHARE * random());
}
