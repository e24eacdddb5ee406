import type { Clock } from "../device/clock.ts";
import type { Log } from "../log.ts";
import { type Moment, now } from "../record/recorder.ts";
import { CHECKPOINT_MS, createMeter, type Meter } from "./budget.ts";
import {
  type ActuatorState,
  confirmed,
  decide,
  failed,
  mayBeOn,
  nextDue,
  type Refusal,
  type Request,
  type Surroundings,
  unopened,
} from "./decision.ts";
import type { ActuatorValue, AnyActuatorKind, Cause, OutputBoard } from "./kind.ts";
import type { Memory, Remembered } from "./memory.ts";
import { createPort, type Port } from "./port.ts";
import { type ActuatorSettings, actuatorProblems, type Rules, rulesFor } from "./rules.ts";
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

/** Stands in front of every actuator of a node: nothing else moves an output. */
export interface Guard {
  readonly ids: readonly string[];
  /** Undefined where there is no such actuator. */
  rules(id: string): Rules | undefined;
  state(id: string): ActuatorState | undefined;
  /** The actuators that go by this name together; absent or undefined: it is one by itself, or none. */
  members?(id: string): readonly string[] | undefined;
  /** Asks for a change; requests to one actuator are carried out one after the other. Never rejects. */
  request(id: string, request: Request): Promise<Outcome>;
  /** Whether there is a session with the broker; a node starts without. */
  setOnline(online: boolean): void;
  /** Turns everything safe, refuses requests from then on, and gives the outputs back. */
  shutdown(): Promise<void>;
}

export interface GuardParts {
  readonly actuators: readonly ActuatorSettings[];
  readonly kinds: ReadonlyMap<string, AnyActuatorKind>;
  readonly board: OutputBoard;
  readonly clock: Clock;
  readonly memory: Memory;
  readonly log: Log;
  onChange(change: Change): void;
}

/** One actuator with everything that changes about it. */
interface Guarded {
  readonly rules: Rules;
  readonly port: Port;
  readonly meter: Meter | undefined;
  state: ActuatorState;
  /** What it was last told, other than by a start or a stop. */
  last: ActuatorValue | undefined;
  /** How it was when the node stopped: where it is restored, so are the limits it ran under. */
  atStop?: ActuatorState;
  /** What was last told to `onChange`. */
  told: ActuatorValue | undefined;
  /** Ends when everything asked of this actuator so far has been dealt with. */
  lane: Promise<unknown>;
  /** Waits for the next thing that it does of its own accord. */
  alarm: AbortController;
}

/** How often a stopping node tries to make an output safe, and the wait between. */
const SHUTDOWN_TRIES = 3;
const SHUTDOWN_WAIT_MS = 100;

/** Opens every actuator at its `initial` value; resolves when all have been tried. Throws on impossible settings. */
export async function openGuard(parts: GuardParts): Promise<Guard> {
  const { actuators, kinds, board, clock, memory, log, onChange } = parts;
  const [problem] = actuatorProblems(actuators, kinds);
  if (problem) throw new RangeError(`${problem.id}: ${problem.key}: ${problem.message}`);
  const startedMs = clock.monotonicMs();
  const all = new Map(actuators.map((settings) => [settings.id, guarded(settings)]));
  let offlineSinceMs: number | undefined = startedMs;
  let stopping = false;
  const checkpoints = new AbortController();

  function guarded(settings: ActuatorSettings): Guarded {
    const kind = kinds.get(settings.driver);
    if (!kind) throw new RangeError(`${settings.id}: driver: there is no kind "${settings.driver}"`);
    const rules = rulesFor(settings, kind, actuators);
    const { last, usage } = memory.of(settings.id);
    const context = {
      clock,
      onFailure: (error: unknown) => lost(settings.id, error),
      onEnd: () => rested(settings.id),
    };
    return {
      rules,
      port: createPort({
        name: rules.id,
        clock,
        pauseMs: rules.pauseMs,
        open: (value) => kind.open(board, settings, value, context),
      }),
      meter: rules.budget && createMeter(rules.budget, clock, usage),
      state: unopened(rules),
      last,
      told: undefined,
      lane: Promise.resolve(),
      alarm: new AbortController(),
    };
  }

  function surroundings({ rules, meter }: Guarded): Surroundings {
    const blockedBy = rules.interlock.find((id) => mayBeOn(all.get(id)!.rules, all.get(id)!.state));
    return {
      nowMs: clock.monotonicMs(),
      startedMs,
      ...(offlineSinceMs !== undefined && { offlineSinceMs }),
      ...(blockedBy !== undefined && { blockedBy }),
      ...(meter && { budget: { leftMs: meter.leftMs(), onAgainInMs: meter.onAgainInMs() } }),
    };
  }

  function inLane<T>(actuator: Guarded, task: () => Promise<T>): Promise<T> {
    const done = actuator.lane.then(task);
    actuator.lane = done.catch(() => {});
    return done;
  }

  /** Decides and writes. Between the decision and the new state nothing else runs, so two decisions never cross. */
  async function perform(actuator: Guarded, request: Request): Promise<Outcome> {
    const decision = decide(actuator.rules, actuator.state, request, surroundings(actuator));
    const { cause } = request;
    if (!decision.accepted) {
      const { refusal, reason, allowedInMs } = decision;
      const state = actuator.state.value;
      return {
        status: "rejected",
        state,
        error: reason,
        refusal,
        ...(allowedInMs !== undefined && { allowedInMs }),
      };
    }
    const unchanged = actuator.state.value === decision.value;
    const runs = actuator.rules.isOn(decision.value);
    actuator.state = decision.state;
    if (cause !== "boot" && !stopping) actuator.last = decision.value;
    if (runs) actuator.meter?.start();
    try {
      if (runs) await prepare(actuator);
      // A value that ends by itself begins anew.
      if (!unchanged || actuator.rules.runsForMs(decision.value) !== undefined)
        await actuator.port.write(decision.value);
    } catch (error) {
      return fail(actuator, error);
    }
    actuator.state = confirmed(actuator.rules, actuator.state, clock.monotonicMs());
    if (!runs) actuator.meter?.stop();
    if (!runs) void remember(actuator);
    tell(actuator, decision.value);
    arm(actuator);
    return { status: "done", state: decision.value };
  }

  /** What must be so before a load runs: nothing interlocked runs, and the next process knows that it does. */
  async function prepare(actuator: Guarded): Promise<void> {
    await clearTheWay(actuator);
    await remember(actuator);
  }

  /** Only what a restart depends on: most actuators never cost a write. */
  function remember({ rules, state, atStop, last, meter }: Guarded): Promise<void> {
    const { onSinceMs, leaseUntilMs } = atStop ?? state;
    const remembered: Remembered = {
      ...(rules.restoresLast && last !== undefined && { last }),
      ...(rules.maxOnMs !== undefined && onSinceMs !== undefined && { onSinceMs }),
      ...(leaseUntilMs !== undefined && { lease: { untilMs: leaseUntilMs } }),
      ...(meter && { usage: meter.record() }),
    };
    return memory.keep(rules.id, remembered);
  }

  /** Only a fail-safe that switches on finds anything here; every other request was refused for it. */
  async function clearTheWay({ rules }: Guarded): Promise<void> {
    for (const id of rules.interlock) {
      const other = all.get(id)!;
      if (!mayBeOn(other.rules, other.state)) continue;
      const off: Request = { set: other.rules.off, cause: "interlock" };
      const { status } = await inLane(other, () => perform(other, off));
      if (status !== "done") throw new Error(`interlocked ${id} cannot be switched off`);
    }
  }

  function fail(actuator: Guarded, cause: unknown): Outcome {
    const error = cause instanceof Error ? cause.message : String(cause);
    const { id, safe } = actuator.rules;
    actuator.state = failed(actuator.state, error, clock.monotonicMs());
    if (actuator.state.retry?.failures === 1)
      log.error("an actuator does not obey; trying until it is safe", { actuator: id, safe, error });
    arm(actuator);
    return { status: "failed", state: undefined, error };
  }

  function tell(actuator: Guarded, state: ActuatorValue): void {
    if (actuator.told === state) return;
    actuator.told = state;
    const { cause } = actuator.state;
    const details = actuator.port.details();
    try {
      onChange({
        id: actuator.rules.id,
        state,
        cause,
        at: now(clock),
        ...(Object.keys(details).length > 0 && { details }),
      });
    } catch (error) {
      log.error("cannot report what an actuator did", { actuator: actuator.rules.id, error: String(error) });
    }
  }

  /** Sleeps until the actuator is next to act by itself, instead of until whatever it waited for before. */
  function arm(actuator: Guarded): void {
    actuator.alarm.abort();
    const due = nextDue(actuator.rules, actuator.state, surroundings(actuator));
    if (!due || stopping) return;
    const alarm = new AbortController();
    actuator.alarm = alarm;
    const waitMs = Math.max(0, Math.ceil(due.atMs - clock.monotonicMs()));
    void clock.sleep(waitMs, alarm.signal).then(() => {
      if (!alarm.signal.aborted) void inLane(actuator, () => act(actuator));
    });
  }

  /** Asks again what is due: while this waited for its turn, a request may have changed it. */
  async function act(actuator: Guarded): Promise<void> {
    const due = nextDue(actuator.rules, actuator.state, surroundings(actuator));
    if (!due || stopping || due.atMs > clock.monotonicMs()) return arm(actuator);
    const { status } = await perform(actuator, due);
    if (status !== "rejected") return;
    // Only what was to happen after the start can be refused; it is not asked for again.
    const { start: _refused, ...state } = actuator.state;
    actuator.state = state;
    arm(actuator);
  }

  /** An output failed between two writes. */
  function lost(id: string, error: unknown): void {
    const actuator = all.get(id)!;
    void inLane(actuator, async () => {
      if (!stopping) fail(actuator, error);
    });
  }

  /** An output has come to rest by itself, unless it was told something else meanwhile. */
  function rested(id: string): void {
    const actuator = all.get(id)!;
    const { state } = actuator;
    void inLane(actuator, async () => {
      if (!stopping && actuator.state === state)
        await perform(actuator, { set: actuator.rules.off, cause: "timer" });
    });
  }

  async function boot(actuator: Guarded): Promise<void> {
    const { rules } = actuator;
    const begin = startOf(rules, memory.of(rules.id), clock.monotonicMs());
    if (begin.onSinceMs !== undefined) actuator.state = { ...actuator.state, onSinceMs: begin.onSinceMs };
    const { status, refusal } = await perform(actuator, begin.first);
    if (status === "rejected")
      await perform(actuator, { set: rules.off, cause: refusal === "interlock" ? "interlock" : "timer" });
    if (status !== "done" || !begin.later) return;
    actuator.state = { ...actuator.state, start: begin.later };
    arm(actuator);
  }

  /** What a power cut may hide of a running load is bounded by this. */
  async function keepCheckpoints(): Promise<void> {
    while (!stopping) {
      await clock.sleep(CHECKPOINT_MS, checkpoints.signal);
      for (const actuator of all.values())
        if (actuator.meter && actuator.state.onSinceMs !== undefined && !stopping) void remember(actuator);
    }
  }

  async function makeSafe(actuator: Guarded): Promise<void> {
    if (actuator.rules.restoresLast) actuator.atStop = actuator.state;
    for (let tries = 1; tries <= SHUTDOWN_TRIES; tries++) {
      const outcome = await perform(actuator, { set: actuator.rules.safe, cause: "failsafe" });
      if (outcome.status === "done") return;
      if (tries < SHUTDOWN_TRIES) await clock.sleep(SHUTDOWN_WAIT_MS);
    }
    log.error("an actuator could not be made safe", { actuator: actuator.rules.id });
  }

  /** What is to be off goes first, so that an interlocked one that is to be on finds the way clear. */
  async function offFirst(
    toBeOn: (actuator: Guarded) => boolean,
    step: (actuator: Guarded) => Promise<void>,
  ): Promise<void> {
    const actuators = [...all.values()];
    const inTurn = (some: Guarded[]) => Promise.all(some.map((each) => inLane(each, () => step(each))));
    const on = actuators.filter(toBeOn);
    await inTurn(actuators.filter((each) => !on.includes(each)));
    await inTurn(on);
  }

  await offFirst(({ rules }) => rules.isOn(startOf(rules, memory.of(rules.id), startedMs).first.set), boot);
  if ([...all.values()].some(({ meter }) => meter)) void keepCheckpoints();

  return {
    ids: [...all.keys()],
    rules: (id) => all.get(id)?.rules,
    state: (id) => all.get(id)?.state,
    async request(id, request) {
      const actuator = all.get(id);
      if (!actuator)
        return { status: "rejected", state: undefined, error: "no such actuator", refusal: "unknown" };
      return inLane(actuator, async () => {
        if (!stopping) return perform(actuator, request);
        const state = actuator.state.value;
        return { status: "rejected", state, error: "the node is stopping", refusal: "stopping" };
      });
    },
    setOnline(online) {
      if (online === (offlineSinceMs === undefined)) return;
      offlineSinceMs = online ? undefined : clock.monotonicMs();
      for (const actuator of all.values()) {
        actuator.state = { ...actuator.state, failsafeDone: false };
        arm(actuator);
      }
    },
    async shutdown() {
      stopping = true;
      checkpoints.abort();
      for (const { alarm } of all.values()) alarm.abort();
      await offFirst(({ rules }) => rules.isOn(rules.safe), makeSafe);
      // One that hangs cannot be given back; the process ends soon, and its lines with it.
      await Promise.all([...all.values()].map(({ port }) => port.close().catch(() => {})));
    },
  };
}
