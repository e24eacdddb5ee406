import type { Clock } from "../device/clock.ts";
import { formatDurationMs } from "../schema/duration.ts";
import type { Guard, Outcome } from "./guard.ts";
import type { ActuatorValue } from "./kind.ts";

/** One step of a sequence. */
export interface Step {
  readonly set: ActuatorValue;
  /** How long until the next one; only the last may be without, and then stays. */
  readonly forMs?: number;
}

export const MAX_STEPS = 32;
/** All steps together: nobody waits longer for an outcome. */
export const MAX_SEQUENCE_MS = 600_000;

/**
 * A step that switches on is a lease of the guard's that ends this much after its successor was due: should whoever
 * runs the sequence be gone by then, the output goes off all the same.
 */
const LEASE_GRACE_MS = 500;

/** A sequence that has begun. */
export interface RunningSequence {
  /** What became of the first step; where that is not `done`, nothing else happens. */
  readonly first: Promise<Outcome>;
  /** What became of all of it. Never rejects. */
  readonly ended: Promise<Outcome>;
  /** Nothing of it happens any more; the output stays as it is for whoever cancels. */
  cancel(why: string): void;
}

/** Why a sequence as a whole could never be carried out; undefined where only the moment can forbid it. */
export function impossible(guard: Guard, id: string, steps: readonly Step[]): string | undefined {
  const rules = guard.rules(id);
  if (!rules) return "no such actuator";
  let onMs = 0;
  for (const [index, { set, forMs = 0 }] of steps.entries()) {
    const at = `step ${index + 1} of ${steps.length}`;
    if (!rules.accepts(set)) return `${at}: value: ${id} cannot be ${set}`;
    const ends = forMs > 0;
    const on = rules.isOn(set);
    const following = steps[index + 1]?.set ?? rules.off;
    onMs = on ? onMs + forMs : 0;
    if (rules.maxOnMs !== undefined && onMs > rules.maxOnMs)
      return `${at}: max_on: ${id} may be on for ${formatDurationMs(rules.maxOnMs)} at most`;
    if (!ends || rules.isOn(following) === on) continue;
    if (on && onMs < rules.minOnMs)
      return `${at}: min_on: ${id} stays on for ${formatDurationMs(rules.minOnMs)} at least`;
    if (!on && index < steps.length - 1 && forMs < rules.minOffMs)
      return `${at}: min_off: ${id} stays off for ${formatDurationMs(rules.minOffMs)} at least`;
  }
  return undefined;
}

/**
 * Takes an output through `steps`, each of them asked of its guard. Ends early where the guard says no, where anybody
 * else has moved the output meanwhile, and when `signal` aborts. A last step with a `for` that is not off is followed by off.
 */
export function runSequence(
  guard: Guard,
  id: string,
  steps: readonly Step[],
  clock: Clock,
  signal?: AbortSignal,
): RunningSequence {
  const cancelled = new AbortController();
  let reason = "cancelled: the node is stopping";
  const stop = () => cancelled.abort();
  signal?.addEventListener("abort", stop, { once: true });
  if (signal?.aborted) stop();

  const rules = guard.rules(id);
  const last = steps.at(-1);
  const plan: readonly Step[] =
    rules && last?.forMs !== undefined && rules.isOn(last.set) ? [...steps, { set: rules.off }] : steps;

  const begin = ({ set, forMs }: Step): Promise<Outcome> =>
    guard.request(id, {
      set,
      cause: "command",
      ...(forMs !== undefined && rules?.isOn(set) && { forMs: forMs + LEASE_GRACE_MS }),
    });

  const first = begin(plan[0]!);

  async function run(): Promise<Outcome> {
    const outcome = await first;
    if (outcome.status !== "done") return { ...outcome, error: inStep(0, outcome.error) };
    for (const [index, step] of plan.entries()) {
      if (index > 0) {
        const other = takenOver(plan[index - 1]!.set);
        if (other !== undefined) return ended("failed", inStep(index, other));
        const next = await begin(step);
        if (next.status !== "done") return ended("failed", inStep(index, next.error));
      }
      if (step.forMs !== undefined) await clock.sleep(step.forMs, cancelled.signal);
      if (cancelled.signal.aborted) return ended("failed", reason);
    }
    return ended("done");
  }

  /** Who has moved the output since this sequence did. */
  function takenOver(left: ActuatorValue): string | undefined {
    const state = guard.state(id);
    if (state?.cause === "command" && state.target === left) return undefined;
    return `cancelled: ${state?.cause ?? "somebody"} has moved it`;
  }

  const ended = (status: Outcome["status"], error?: string): Outcome => ({
    status,
    state: guard.state(id)?.value,
    ...(error !== undefined && { error }),
  });
  const inStep = (index: number, error: string | undefined) =>
    `step ${Math.min(index + 1, steps.length)} of ${steps.length}: ${error ?? "not carried out"}`;

  return {
    first,
    ended: run().finally(() => signal?.removeEventListener("abort", stop)),
    cancel(why) {
      reason = why;
      stop();
    },
  };
}
