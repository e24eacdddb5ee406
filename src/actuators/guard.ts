import type { Clock } from "../device/clock.ts";
import type { Log } from "../log.ts";
import { CHECKPOINT_MS } from "./budget.ts";
import { type ActuatorState, mayBeOn, type Request } from "./decision.ts";
import { type Change, createGuarded, type Guarded, type Outcome } from "./guarded.ts";
import type { AnyActuatorKind, OutputBoard } from "./kind.ts";
import type { Memory } from "./memory.ts";
import { type ActuatorSettings, actuatorProblems, type Rules, rulesFor } from "./rules.ts";
import { startOf } from "./start.ts";

export type { Change, Outcome } from "./guarded.ts";

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
    return createGuarded({
      rules,
      open: (value, context) => kind.open(board, settings, value, context),
      clock,
      memory,
      log,
      onChange,
      surroundings() {
        const [blocker] = running(rules.interlock);
        return {
          startedMs,
          ...(offlineSinceMs !== undefined && { offlineSinceMs }),
          ...(blocker && { blockedBy: blocker.rules.id }),
        };
      },
      clearTheWay: () => clearTheWay(rules),
      stopping: () => stopping,
    });
  }

  /** Those of them whose load could be running, one after the other: each is looked at when its turn has come. */
  function* running(ids: readonly string[]): Generator<Guarded> {
    for (const id of ids) {
      const actuator = all.get(id)!;
      if (mayBeOn(actuator.rules, actuator.state())) yield actuator;
    }
  }

  /** Only a fail-safe that switches on finds anything here; every other request was refused for it. */
  async function clearTheWay({ interlock }: Rules): Promise<void> {
    for (const other of running(interlock)) {
      const { status } = await other.makeWay();
      if (status !== "done") throw new Error(`interlocked ${other.rules.id} cannot be switched off`);
    }
  }

  /** What a power cut may hide of a running load is bounded by this. */
  async function keepCheckpoints(): Promise<void> {
    while (!stopping) {
      await clock.sleep(CHECKPOINT_MS, checkpoints.signal);
      for (const actuator of all.values()) if (!stopping) actuator.checkpoint();
    }
  }

  /** What is to be off goes first, so that an interlocked one that is to be on finds the way clear. */
  async function offFirst(
    toBeOn: (rules: Rules) => boolean,
    step: (actuator: Guarded) => Promise<void>,
  ): Promise<void> {
    const actuators = [...all.values()];
    const on = actuators.filter(({ rules }) => toBeOn(rules));
    await Promise.all(actuators.filter((each) => !on.includes(each)).map(step));
    await Promise.all(on.map(step));
  }

  await offFirst(
    (rules) => rules.isOn(startOf(rules, memory.of(rules.id), startedMs).first.set),
    (each) => each.boot(),
  );
  if ([...all.values()].some(({ rules }) => rules.budget)) void keepCheckpoints();

  return {
    ids: [...all.keys()],
    rules: (id) => all.get(id)?.rules,
    state: (id) => all.get(id)?.state(),
    async request(id, request) {
      return (
        all.get(id)?.request(request) ?? {
          status: "rejected",
          state: undefined,
          error: "no such actuator",
          refusal: "unknown",
        }
      );
    },
    setOnline(online) {
      if (online === (offlineSinceMs === undefined)) return;
      offlineSinceMs = online ? undefined : clock.monotonicMs();
      for (const actuator of all.values()) actuator.onlineChanged();
    },
    async shutdown() {
      stopping = true;
      checkpoints.abort();
      for (const actuator of all.values()) actuator.disarm();
      await offFirst(
        (rules) => rules.isOn(rules.safe),
        (each) => each.makeSafe(),
      );
      // One that hangs cannot be given back; the process ends soon, and its lines with it.
      await Promise.all([...all.values()].map((actuator) => actuator.close().catch(() => {})));
    },
  };
}
