import type { Request } from "./decision.ts";
import type { ActuatorValue } from "./kind.ts";
import type { Remembered } from "./memory.ts";
import type { Rules } from "./rules.ts";

/** How an actuator begins. */
export interface Start {
  readonly first: Omit<Request, "set"> & { readonly set: ActuatorValue };
  /** What follows once its `startup_delay` is over. */
  readonly later?: { readonly atMs: number; readonly set: ActuatorValue };
  /** Since when it is taken to be on, so that a restart gives it no more time. */
  readonly onSinceMs?: number;
}

export function startOf(rules: Rules, remembered: Remembered, nowMs: number): Start {
  const { last, onSinceMs, lease } = remembered;
  const restored = rules.restoresLast && last !== undefined && rules.accepts(last) ? last : rules.initial;
  const off: Start = { first: { set: rules.off, cause: "boot" } };
  if (!rules.isOn(restored)) return { first: { set: restored, cause: "boot" } };
  // What was on for a time only is not restored for longer; after a new boot nobody knows how long that was.
  const leaseLeftMs = lease?.untilMs === undefined ? undefined : lease.untilMs - nowMs;
  if (leaseLeftMs !== undefined && leaseLeftMs <= 0) return timedOut(rules);
  const waits = rules.startupDelayMs > 0;
  // Over for good: the start after this one must not find it without its end.
  if (lease && rules.restoresLast && (leaseLeftMs === undefined || waits)) return timedOut(rules);
  if (waits) return { ...off, later: { atMs: nowMs + rules.startupDelayMs, set: restored } };
  const since =
    rules.maxOnMs === undefined || onSinceMs === undefined ? undefined : Math.min(onSinceMs, nowMs);
  if (since !== undefined && rules.maxOnMs !== undefined && nowMs >= since + rules.maxOnMs)
    return timedOut(rules);
  return {
    first: { set: restored, cause: "boot", ...(leaseLeftMs !== undefined && { forMs: leaseLeftMs }) },
    ...(since !== undefined && { onSinceMs: since }),
  };
}

function timedOut(rules: Rules): Start {
  return { first: { set: rules.off, cause: "timer" } };
}
