import type { ActuatorValue } from "../../actuators/kind.ts";
import { formatDurationMs } from "../../schema/duration.ts";
import type { Provenance } from "./command.ts";

/** How a command that was carried out or refused for good ended. What a duplicate is answered with. */
export interface CommandOutcome {
  readonly status: "done" | "rejected" | "expired" | "failed";
  readonly state?: ActuatorValue;
  readonly error?: string;
  /** Whom the command was for. */
  readonly target?: string;
}

/** What a result says beyond whether it worked. A duplicate is answered without. */
export type Details = Readonly<Record<string, unknown>>;

/** What a command is answered with. */
export interface Reply {
  readonly status: CommandOutcome["status"] | "duplicate";
  readonly state?: ActuatorValue;
  readonly error?: string;
  readonly details?: Details;
}

/** What freshness depends on beside the command itself. */
export interface Circumstances {
  readonly nowWallMs: number;
  /** Whether `nowWallMs` can be trusted. */
  readonly clockSynced: boolean;
  /** The message came with the RETAIN flag: it is a memory of the broker's, not somebody's wish of now. */
  readonly retained: boolean;
  /** The broker may have kept the message while the node was away (`mqtt.session_expiry` above 0). */
  readonly couldBeQueued: boolean;
  readonly target: string;
  /** What became of the same id before; `running` where it is being carried out. */
  readonly first: CommandOutcome | "running" | undefined;
}

/** A sender's clock may be ahead of the node's by this much before its commands count as issued in the future. */
export const MAX_CLOCK_SKEW_MS = 60_000;

/** Undefined: carry it out. Otherwise the answer, and nothing moves. */
export function judge(command: Provenance, circumstances: Circumstances): Reply | undefined {
  const { retained, first, target } = circumstances;
  if (retained) return { status: "rejected", error: "retained: commands must not be retained" };
  if (first !== undefined) return duplicateOf(first, target);
  return stale(command, circumstances);
}

/** The first outcome in the duplicate's own fields: what was not done says so in `error`. */
function duplicateOf(first: CommandOutcome | "running", target: string): Reply {
  if (first === "running") return { status: "duplicate", error: "the first one is still being carried out" };
  if (first.target !== undefined && first.target !== target)
    return { status: "duplicate", error: `the id was used for ${first.target} before: nothing was done` };
  const { status, state, error } = first;
  return {
    status: "duplicate",
    ...(state !== undefined && { state }),
    ...(status !== "done" && { error: error === undefined ? status : `${status}: ${error}` }),
  };
}

function stale(command: Provenance, circumstances: Circumstances): Reply | undefined {
  const { issuedMs, maxAgeMs, expiresMs } = command;
  const { nowWallMs, clockSynced, couldBeQueued } = circumstances;
  const rejected = (error: string): Reply => ({ status: "rejected", error });
  if (expiresMs !== undefined) {
    if (!clockSynced)
      return rejected("the node's clock is not set: it cannot tell whether the signature still holds");
    if (nowWallMs > expiresMs) return { status: "expired", error: "its signature has expired" };
  }
  if (expiresMs === undefined && couldBeQueued && (issuedMs === undefined || maxAgeMs === undefined))
    return rejected("the broker may have queued it: issued and max_age are needed");
  if (issuedMs === undefined) return undefined;
  if (clockSynced && issuedMs > nowWallMs + MAX_CLOCK_SKEW_MS) return rejected("issued in the future");
  if (maxAgeMs === undefined) return undefined;
  if (!clockSynced) return rejected("the node's clock is not set: it cannot tell how old the command is");
  if (nowWallMs - issuedMs > maxAgeMs)
    return { status: "expired", error: `older than its max_age (${formatDurationMs(maxAgeMs)})` };
  return undefined;
}
