/** The two kinds of time, and waiting. Intervals, leases and timeouts use monotonic time only. */
export interface Clock {
  /** System clock, UTC, milliseconds since the epoch. May be wrong, and may step either way. */
  wallMs(): number;
  /** CLOCK_MONOTONIC, milliseconds: never steps, and goes on across processes of one kernel boot. */
  monotonicMs(): number;
  /** The kernel's boot id (`/proc/sys/kernel/random/boot_id`, first 8 hex digits): monotonic times compare only within one. */
  readonly bootId: string;
  /** Whether the system clock has been set from a trusted source since the kernel booted. */
  synced(): boolean;
  /** Resolves after `durationMs` of monotonic time, or at once when `signal` aborts. Never rejects. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>;
}

/** Thrown by {@link withDeadline}. */
export class DeadlineError extends Error {
  override readonly name = "DeadlineError";
  constructor(what: string, durationMs: number) {
    super(`${what} took longer than ${durationMs} ms`);
  }
}

/** Settles as `work` does, or rejects with a {@link DeadlineError} after `durationMs`. Does not cancel `work`. */
export async function withDeadline<T>(
  clock: Clock,
  what: string,
  durationMs: number,
  work: Promise<T>,
): Promise<T> {
  const timer = new AbortController();
  const expiry = clock.sleep(durationMs, timer.signal).then(() => {
    if (!timer.signal.aborted) throw new DeadlineError(what, durationMs);
    return work;
  });
  try {
    return await Promise.race([work, expiry]);
  } finally {
    // With a reason of its own, abort() makes no DOMException and takes no stack trace: this runs at every transfer.
    timer.abort("settled");
    expiry.catch(() => {});
  }
}
