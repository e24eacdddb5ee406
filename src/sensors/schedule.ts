import type { Random } from "../device/random.ts";

export interface ScheduleOptions {
  /** Monotonic time of the first slot. */
  readonly startMs: number;
  readonly intervalMs: number;
  /** Each slot but the first is late by up to this much, evenly spread. More than the interval counts as the interval. */
  readonly jitterMs: number;
  readonly random: Random;
}

/** A time at which a sample is to be taken. */
export interface Slot {
  /** Its place on the grid: start + k * interval, monotonic. */
  readonly gridMs: number;
  /** The same with its jitter. */
  readonly dueMs: number;
}

/**
 * When to sample: a grid that does not drift, however long samples take. A slot that passes while its predecessor is
 * still being worked on is skipped, never made up for.
 */
export interface Schedule {
  /** The slot to wait for. */
  slot(): Slot;
  /** Goes on to the first slot after this one that is not over at `nowMs`. */
  next(nowMs: number): void;
  /** How many slots have been skipped so far. */
  skipped(): number;
}

/** A slot is over only when it has been missed by more than the noise of floating-point grid arithmetic. */
const TOLERANCE_MS = 0.001;

export function createSchedule({ startMs, intervalMs, jitterMs, random }: ScheduleOptions): Schedule {
  const maxJitterMs = Math.min(jitterMs, intervalMs);
  let index = 0;
  let skipped = 0;
  let slot: Slot = { gridMs: startMs, dueMs: startMs };

  function slotAt(at: number): Slot {
    const gridMs = startMs + at * intervalMs;
    return { gridMs, dueMs: gridMs + (maxJitterMs > 0 ? random() * maxJitterMs : 0) };
  }

  return {
    slot: () => slot,
    next(nowMs) {
      const overMs = nowMs - TOLERANCE_MS;
      const before = index;
      index = Math.max(index + 1, Math.ceil((overMs - maxJitterMs - startMs) / intervalMs));
      slot = slotAt(index);
      while (slot.dueMs < overMs) slot = slotAt(++index);
      skipped += index - before - 1;
    },
    skipped: () => skipped,
  };
}
