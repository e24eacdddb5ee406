import type { I2cFault } from "./i2c.ts";

/**
 * What is left when trying again, opening the bus anew and setting the chip up anew have not helped; the bus and the
 * sampler do those at each failure by themselves.
 */
export type Remedy = "clock_pulses" | "power_cycle";

export interface LadderOptions {
  /** Those that the board is wired for. */
  readonly remedies: readonly Remedy[];
}

/** After so many failures in a row of one chip a remedy is due. */
const FAILURES_BEFORE: Readonly<Record<Remedy, number>> = { clock_pulses: 2, power_cycle: 5 };

/** The least time from one to the next of its kind; doubled each time that it did not help, up to the most. */
const FIRST_PAUSE_MS: Readonly<Record<Remedy, number>> = { clock_pulses: 5_000, power_cycle: 60_000 };
const MAX_PAUSE_MS: Readonly<Record<Remedy, number>> = { clock_pulses: 300_000, power_cycle: 3_600_000 };

/** Pulses free a line that a chip holds; a chip that says nothing at all holds none. */
const HELD: readonly I2cFault[] = ["stuck", "timeout", "arbitration"];

/** What only configuration or hands can mend. */
const HOPELESS: readonly I2cFault[] = ["owned", "no_bus", "unsupported"];

/** Decides for one bus what to do about a failure. Pure but for what it remembers; time is given to it. */
export interface Ladder {
  /** The remedy that is due now, taken as done; undefined: none. */
  failed(address: number, fault: I2cFault, nowMs: number): Remedy | undefined;
  succeeded(address: number): void;
}

export function createLadder({ remedies }: LadderOptions): Ladder {
  const failures = new Map<number, number>();
  const last = new Map<Remedy, { readonly atMs: number; readonly pauseMs: number }>();
  const isDue = (remedy: Remedy, count: number, nowMs: number) => {
    const before = last.get(remedy);
    return (
      remedies.includes(remedy) &&
      count >= FAILURES_BEFORE[remedy] &&
      (before === undefined || nowMs - before.atMs >= before.pauseMs)
    );
  };
  return {
    failed(address, fault, nowMs) {
      if (HOPELESS.includes(fault)) return undefined;
      const count = (failures.get(address) ?? 0) + 1;
      failures.set(address, count);
      const remedy = isDue("power_cycle", count, nowMs)
        ? "power_cycle"
        : HELD.includes(fault) && isDue("clock_pulses", count, nowMs)
          ? "clock_pulses"
          : undefined;
      if (remedy === undefined) return undefined;
      // A pause outlives a success: what works for a moment and fails again must not be switched on and off for ever.
      const pauseMs = Math.min(
        2 * (last.get(remedy)?.pauseMs ?? FIRST_PAUSE_MS[remedy] / 2),
        MAX_PAUSE_MS[remedy],
      );
      last.set(remedy, { atMs: nowMs, pauseMs });
      return remedy;
    },
    succeeded(address) {
      failures.delete(address);
    },
  };
}
