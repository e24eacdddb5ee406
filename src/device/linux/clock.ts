import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../clock.ts";
import { clockState } from "./clock-set.ts";

/** Longest delay that a timer takes; a longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** How long an answer of {@link Clock.synced} is kept, so that asking for each record costs no system call. */
const SYNCED_KEPT_MS = 1_000;

export interface LinuxClockOptions {
  /** The folder that stands for `/`. */
  readonly root?: string;
  readonly wallMs?: () => number;
  readonly monotonicMs?: () => number;
  /** The STA_ bits of adjtimex(2), where they can be had. */
  readonly kernelStatus?: () => number | undefined;
}

/** Real time. Works wherever Node does: a system without a boot id gets one per process. */
export function linuxClock({
  root = "/",
  wallMs = Date.now,
  monotonicMs = systemMonotonicMs,
  kernelStatus,
}: LinuxClockOptions = {}): Clock {
  let synced = false;
  /** Somebody has said that the clock is set. In this boot that stays so, however long nobody speaks up again. */
  let isSettled = false;
  let askedAtMs = Number.NEGATIVE_INFINITY;
  return {
    wallMs,
    monotonicMs,
    bootId: readBootId(root),
    synced() {
      const nowMs = monotonicMs();
      if (!isSettled && nowMs - askedAtMs >= SYNCED_KEPT_MS) {
        const { isSet, isKnown } = clockState(wallMs(), root, kernelStatus);
        synced = isSet;
        isSettled = isSet && isKnown;
        askedAtMs = nowMs;
      }
      return synced;
    },
    async sleep(durationMs, signal) {
      const endMs = monotonicMs() + durationMs;
      // A timer may fire a fraction of a millisecond early, so the clock has the last word.
      for (let leftMs = durationMs; leftMs > 0 && !signal?.aborted; leftMs = endMs - monotonicMs()) {
        await timer(Math.min(Math.ceil(leftMs), MAX_TIMER_MS), signal);
      }
    },
  };
}

/** `process.hrtime` is CLOCK_MONOTONIC on Linux, so it compares across processes of one boot. */
function systemMonotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

function readBootId(root: string): string {
  try {
    const text = readFileSync(join(root, "proc/sys/kernel/random/boot_id"), "utf8");
    const [bootId] = /^[0-9a-f]{8}/.exec(text) ?? [];
    if (bootId !== undefined) return bootId;
  } catch {
    // Not Linux.
  }
  // The global, not node:crypto: most machines never come here, and need not load it.
  return Buffer.from(crypto.getRandomValues(new Uint8Array(4))).toString("hex");
}

function timer(durationMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timeout);
      signal?.removeEventListener("abort", finish);
      resolve();
    };
    const timeout = setTimeout(finish, durationMs);
    signal?.addEventListener("abort", finish, { once: true });
  });
}
