import type { Clock } from "../device/clock.ts";
import { type Log, messageOf } from "../log.ts";
import { type Moment, now } from "../record/recorder.ts";
import { createMeter } from "./budget.ts";
import {
  type ActuatorState,
  confirmed,
  decide,
  failed,
  nextDue,
  type Refusal,
  type Request,
  type Surroundings,
  unopened,
} from "./decision.ts";
import type { ActuatorValue, Cause, Output, OutputContext } from "./kind.ts";
import type { Memory, Remembered } from "./memory.ts";
import { createPort } from "./port.ts";
import type { Rules } from "./rules.ts";
import { startOf } from "./start.ts";

/** An output took another value. */
export interface Change {
  readonly id: string;
  readonly state: ActuatorValue;
  readonly cause: Cause;
  readonly at: Moment;
  /** What there is to tell besides, such as a cover's `position`. */
  readonly details?: Readonly<Record<string, number>>;
}

/** What became of a request. */
export interface Outcome {
  readonly status: "done" | "rejected" | "failed";
  /** What the output is; undefined where nobody knows. */
  readonly state: ActuatorValue | undefined;
  readonly error?: string;
  readonly refusal?: Refusal | "unknown" | "stopping";
  /** When the same request would be allowed, where only time stands in the way. */
  readonly allowedInMs?: number;
}

/** One actuator behind the guard. What is asked of it is dealt with one after the other, in its lane. */
export interface Guarded {
  readonly rules: Rules;
  state(): ActuatorState;
  /** Opens it as it begins. */
  boot(): Promise<void>;
  /** Decides on a request and carries it out; refuses it where the node stops. Never rejects. */
  request(request: Request): Promise<Outcome>;
  /** Goes off because one that it is interlocked with is to run, also while the node stops. */
  makeWay(): Promise<Outcome>;
  /** There is a session with the broker, or none any more. */
  onlineChanged(): void;
  /** Bounds what a power cut may hide of a load that runs on a budget. */
  checkpoint(): void;
  /** Does nothing of its own accord from now on; what is in its lane still comes. */
  disarm(): void;
  /** The last value before the node stops, tried a few times. */
  makeSafe(): Promise<void>;
  /** Gives the output back. */
  close(): Promise<void>;
}

export interface GuardedParts {
  readonly rules: Rules;
  open(value: ActuatorValue, context: OutputContext): Promise<Output>;
  readonly clock: Clock;
  readonly memory: Memory;
  readonly log: Log;
  onChange(change: Change): void;
  /** What the node is like, and the other actuators, at this moment. */
  surroundings(): Omit<Surroundings, "nowMs" | "budget">;
  /** Makes sure that nothing interlocked with it runs; rejects where that cannot be had. */
  clearTheWay(): Promise<void>;
  /** Whether the node is about to end. */
  stopping(): boolean;
}

/** How often a stopping node tries to make an output safe, and the wait between. */
const SHUTDOWN_TRIES = 3;
const SHUTDOWN_WAIT_MS = 100;

export function createGuarded(parts: GuardedParts): Guarded {
  const { rules, clock, memory, log, onChange, clearTheWay, stopping } = parts;
  const { id } = rules;
  const remembered = memory.of(id);
  const port = createPort({
    name: id,
    clock,
    pauseMs: rules.pauseMs,
    open: (value) => parts.open(value, { clock, onFailure: lost, onEnd: rested }),
  });
  const meter = rules.budget && createMeter(rules.budget, clock, remembered.usage);
  let state = unopened(rules);
  /** What it was last told, other than by a start or a stop. */
  let last = remembered.last;
  /** How it was when the node stopped: where it is restored, so are the limits it ran under. */
  let atStop: ActuatorState | undefined;
  /** What was last told to `onChange`. */
  let told: ActuatorValue | undefined;
  /** Ends when everything asked of it so far has been dealt with. */
  let lane: Promise<unknown> = Promise.resolve();
  /** Waits for the next thing that it does of its own accord. */
  let alarm = new AbortController();

  function surroundings(): Surroundings {
    return {
      nowMs: clock.monotonicMs(),
      ...parts.surroundings(),
      ...(meter && { budget: { leftMs: meter.leftMs(), onAgainInMs: meter.onAgainInMs() } }),
    };
  }

  function inLane<T>(task: () => Promise<T>): Promise<T> {
    const done = lane.then(task);
    lane = done.catch(() => {});
    return done;
  }

  /** Decides and writes. Between the decision and the new state nothing else runs, so two decisions never cross. */
  async function perform(request: Request): Promise<Outcome> {
    const decision = decide(rules, state, request, surroundings());
    if (!decision.accepted) {
      const { refusal, reason, allowedInMs } = decision;
      return {
        status: "rejected",
        state: state.value,
        error: reason,
        refusal,
        ...(allowedInMs !== undefined && { allowedInMs }),
      };
    }
    const unchanged = state.value === decision.value;
    const runs = rules.isOn(decision.value);
    state = decision.state;
    if (request.cause !== "boot" && !stopping()) last = decision.value;
    if (runs) meter?.start();
    try {
      if (runs) await prepare();
      // A value that ends by itself begins anew.
      if (!unchanged || rules.runsForMs(decision.value) !== undefined) await port.write(decision.value);
    } catch (error) {
      return fail(error);
    }
    state = confirmed(rules, state, clock.monotonicMs());
    if (!runs) meter?.stop();
    if (!runs) void remember();
    tell(decision.value);
    arm();
    return { status: "done", state: decision.value };
  }

  /** What must be so before a load runs: nothing interlocked runs, and the next process knows that it does. */
  async function prepare(): Promise<void> {
    await clearTheWay();
    await remember();
  }

  /** Only what a restart depends on: most actuators never cost a write. */
  function remember(): Promise<void> {
    const { onSinceMs, leaseUntilMs } = atStop ?? state;
    const kept: Remembered = {
      ...(rules.restoresLast && last !== undefined && { last }),
      ...(rules.maxOnMs !== undefined && onSinceMs !== undefined && { onSinceMs }),
      ...(leaseUntilMs !== undefined && { lease: { untilMs: leaseUntilMs } }),
      ...(meter && { usage: meter.record() }),
    };
    return memory.keep(id, kept);
  }

  function fail(cause: unknown): Outcome {
    const error = messageOf(cause);
    state = failed(state, error, clock.monotonicMs());
    if (state.retry?.failures === 1)
      log.error("an actuator does not obey; trying until it is safe", {
        actuator: id,
        safe: rules.safe,
        error,
      });
    arm();
    return { status: "failed", state: undefined, error };
  }

  function tell(value: ActuatorValue): void {
    if (told === value) return;
    told = value;
    const details = port.details();
    try {
      onChange({
        id,
        state: value,
        cause: state.cause,
        at: now(clock),
        ...(Object.keys(details).length > 0 && { details }),
      });
    } catch (error) {
      log.error("cannot report what an actuator did", { actuator: id, error: String(error) });
    }
  }

  /** Sleeps until it is next to act by itself, instead of until whatever it waited for before. */
  function arm(): void {
    // With a reason of its own, abort() makes no DOMException: this runs at every look at the rules.
    alarm.abort("armed anew");
    const due = nextDue(rules, state, surroundings());
    if (!due || stopping()) return;
    const set = new AbortController();
    alarm = set;
    const waitMs = Math.max(0, Math.ceil(due.atMs - clock.monotonicMs()));
    void clock.sleep(waitMs, set.signal).then(() => {
      if (!set.signal.aborted) void inLane(act);
    });
  }

  /** Asks again what is due: while this waited for its turn, a request may have changed it. */
  async function act(): Promise<void> {
    const due = nextDue(rules, state, surroundings());
    if (!due || stopping() || due.atMs > clock.monotonicMs()) return arm();
    const { status } = await perform(due);
    if (status !== "rejected") return;
    // Only what was to happen after the start can be refused; it is not asked for again.
    const { start: _refused, ...rest } = state;
    state = rest;
    arm();
  }

  /** The output failed between two writes. */
  function lost(error: unknown): void {
    void inLane(async () => {
      if (!stopping()) fail(error);
    });
  }

  /** The output has come to rest by itself, unless it was told something else meanwhile. */
  function rested(): void {
    const before = state;
    void inLane(async () => {
      if (!stopping() && state === before) await perform({ set: rules.off, cause: "timer" });
    });
  }

  async function begin(): Promise<void> {
    const { first, later, onSinceMs } = startOf(rules, memory.of(id), clock.monotonicMs());
    if (onSinceMs !== undefined) state = { ...state, onSinceMs };
    const { status, refusal } = await perform(first);
    if (status === "rejected")
      await perform({ set: rules.off, cause: refusal === "interlock" ? "interlock" : "timer" });
    if (status !== "done" || !later) return;
    state = { ...state, start: later };
    arm();
  }

  async function end(): Promise<void> {
    if (rules.restoresLast) atStop = state;
    for (let tries = 1; tries <= SHUTDOWN_TRIES; tries++) {
      const outcome = await perform({ set: rules.safe, cause: "failsafe" });
      if (outcome.status === "done") return;
      if (tries < SHUTDOWN_TRIES) await clock.sleep(SHUTDOWN_WAIT_MS);
    }
    log.error("an actuator could not be made safe", { actuator: id });
  }

  return {
    rules,
    state: () => state,
    boot: () => inLane(begin),
    request: (request) =>
      inLane(async () => {
        if (!stopping()) return perform(request);
        return {
          status: "rejected",
          state: state.value,
          error: "the node is stopping",
          refusal: "stopping",
        };
      }),
    makeWay: () => inLane(() => perform({ set: rules.off, cause: "interlock" })),
    onlineChanged() {
      state = { ...state, failsafeDone: false };
      arm();
    },
    checkpoint() {
      if (meter && state.onSinceMs !== undefined) void remember();
    },
    disarm: () => alarm.abort(),
    makeSafe: () => inLane(end),
    close: () => port.close(),
  };
}
