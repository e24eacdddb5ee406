import type { Clock } from "../device/clock.ts";
import type { SessionStatus } from "../mqtt/session/session.ts";
import type { Sampler } from "../sensors/sampler.ts";

export interface SelfCheckSources {
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly samplers: ReadonlyMap<string, Pick<Sampler, "status">>;
  session(): Pick<SessionStatus, "connected" | "attemptDueMs">;
}

/**
 * A turn at a sensor, or an attempt at a broker, that has not ended so long after it was due never will: each of their
 * steps has a deadline, and all of them together stay below this.
 */
const STUCK_MS = 120_000;

/**
 * What stands still inside the node; undefined: nothing. A broken chip, a broker that is away and a full disk are no such
 * thing: they fail in time and are tried again, and a new process would fare no better.
 */
export function selfCheck({ clock, samplers, session }: SelfCheckSources): string | undefined {
  const nowMs = clock.monotonicMs();
  const isStuck = (dueMs: number | undefined) => dueMs !== undefined && nowMs - dueMs > STUCK_MS;
  for (const [id, sampler] of samplers) {
    const { turnDueMs } = sampler.status();
    if (isStuck(turnDueMs)) return `sensor ${id} is not read any more`;
  }
  const { connected, attemptDueMs } = session();
  return !connected && isStuck(attemptDueMs) ? "the broker is not tried any more" : undefined;
}
