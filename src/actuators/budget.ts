import type { Clock } from "../device/clock.ts";
import type { Budget } from "./rules.ts";

/** How long a load ran, as it is remembered: ages instead of times, which mean something to the next kernel boot too. */
export interface UsageRecord {
  readonly used: readonly (readonly [ageMs: number, usedMs: number])[];
  /** It was running when this was written. */
  readonly running: boolean;
  readonly bootId: string;
  readonly monotonicMs: number;
  /** Absent where the clock had not been set. */
  readonly wallMs?: number;
}

/** Counts how long a load runs within any stretch of the budget's `per`. It needs no wall clock. */
export interface Meter {
  /** The load was told to run. */
  start(): void;
  /** The load is known to stand still. */
  stop(): void;
  leftMs(): number;
  /** In how long enough is free again to make switching on worth it; 0: now. */
  onAgainInMs(): number;
  record(): UsageRecord;
}

/** A stretch is counted in this many parts, each of which is forgotten as a whole: an error of 0.4 %, on the short side. */
const PARTS = 250;

/** A used-up load waits until this share of its budget is free again: it must not chatter at the edge. */
const WORTH_IT = 0.1;

/** How often a node writes down that a load runs: what a power cut can hide, and is therefore counted as used. */
export const CHECKPOINT_MS = 10 * 60_000;

/** Monotonic time begins with the kernel. */
const BEFORE_BOOT_MS = -1;

export function createMeter({ runTimeMs, perMs }: Budget, clock: Clock, before?: UsageRecord): Meter {
  const partMs = perMs / PARTS;
  /** By the number of the part, counted in monotonic time; those of earlier boots are below zero. */
  const parts = new Map<number, number>();
  let runningSinceMs: number | undefined;
  /** What an earlier boot used, while nobody knows how long the board was without power. */
  let carried: UsageRecord | undefined;

  if (before) recall(before);

  function recall(record: UsageRecord): void {
    const sameBoot = record.bootId === clock.bootId;
    for (const [ageMs, usedMs] of record.used)
      add((sameBoot ? record.monotonicMs : BEFORE_BOOT_MS) - ageMs, usedMs);
    if (sameBoot) {
      if (record.running) charge(record.monotonicMs, clock.monotonicMs());
      return;
    }
    if (record.running) add(BEFORE_BOOT_MS, Math.min(CHECKPOINT_MS, runTimeMs));
    if (record.wallMs !== undefined) carried = record;
  }

  /** Once the clock is set, the time without power counts as well. */
  function settleCarried(): void {
    if (carried?.wallMs === undefined || !clock.synced()) return;
    const downMs = clock.wallMs() - carried.wallMs - clock.monotonicMs();
    carried = undefined;
    const old = [...parts].filter(([part]) => part < 0);
    for (const [part] of old) parts.delete(part);
    for (const [part, usedMs] of old) add(part * partMs - Math.max(0, downMs), usedMs);
  }

  function add(atMs: number, usedMs: number): void {
    const part = Math.floor(atMs / partMs);
    parts.set(part, (parts.get(part) ?? 0) + usedMs);
  }

  function charge(fromMs: number, toMs: number): void {
    for (let atMs = Math.max(fromMs, toMs - perMs); atMs < toMs; ) {
      const endMs = Math.min(toMs, (Math.floor(atMs / partMs) + 1) * partMs);
      add(atMs, endMs - atMs);
      atMs = Math.max(endMs, atMs + 1e-3);
    }
  }

  function usedMs(): number {
    const nowMs = clock.monotonicMs();
    settleCarried();
    if (runningSinceMs !== undefined) {
      charge(runningSinceMs, nowMs);
      runningSinceMs = nowMs;
    }
    let sumMs = 0;
    for (const [part, used] of parts)
      if ((part + 1) * partMs + perMs <= nowMs) parts.delete(part);
      else sumMs += used;
    return sumMs;
  }

  return {
    start() {
      runningSinceMs ??= clock.monotonicMs();
    },
    stop() {
      usedMs();
      runningSinceMs = undefined;
    },
    leftMs: () => Math.max(0, runTimeMs - usedMs()),
    onAgainInMs() {
      let missingMs = usedMs() - runTimeMs * (1 - WORTH_IT);
      const nowMs = clock.monotonicMs();
      for (const [part, used] of [...parts].sort(([a], [b]) => a - b)) {
        if (missingMs <= 0) break;
        missingMs -= used;
        if (missingMs <= 0) return Math.max(1, (part + 1) * partMs + perMs - nowMs);
      }
      return 0;
    },
    record() {
      usedMs();
      const monotonicMs = clock.monotonicMs();
      return {
        used: [...parts].map(([part, used]) => [monotonicMs - part * partMs, used] as const),
        running: runningSinceMs !== undefined,
        bootId: clock.bootId,
        monotonicMs,
        ...(clock.synced() && { wallMs: clock.wallMs() }),
      };
    },
  };
}
