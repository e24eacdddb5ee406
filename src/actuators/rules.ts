import type * as v from "valibot";
import { type ActuatorValue, type AnyActuatorKind, isOnFor } from "./kind.ts";
import type { commonActuatorEntries } from "./settings.ts";

/** One actuator of a configuration after validation: the common keys with its kind's own beside them. */
export type ActuatorSettings = Readonly<
  v.InferOutput<v.StrictObjectSchema<typeof commonActuatorEntries, undefined>>
>;

/** What the guard holds one actuator to. */
export interface Rules {
  readonly id: string;
  readonly initial: ActuatorValue;
  readonly safe: ActuatorValue;
  /** The value that ends being on: the kind's own, `off`, or else 0, else `safe`. */
  readonly off: ActuatorValue;
  readonly offlineAfterMs?: number;
  readonly maxOnMs?: number;
  readonly minOnMs: number;
  readonly minOffMs: number;
  /** Every actuator that is never on together with this one, whichever side lists the other. */
  readonly interlock: readonly string[];
  /** Not switched on before the node has run for this long. */
  readonly startupDelayMs: number;
  /** Begins with what it was last told. */
  readonly restoresLast: boolean;
  readonly budget?: Budget;
  /** What a write may take beyond the time that hardware needs. */
  readonly pauseMs: number;
  /** Whether the kind can take this value. */
  accepts(value: ActuatorValue): boolean;
  /** Whether this value means that the load runs. */
  isOn(value: ActuatorValue): boolean;
  /** After how long this value ends by itself. */
  runsForMs(value: ActuatorValue): number | undefined;
}

/** The load runs for no longer than this within any stretch of `perMs`. */
export interface Budget {
  readonly runTimeMs: number;
  readonly perMs: number;
}

const MS_PER_HOUR = 3_600_000;

function budgetOf({ budget }: ActuatorSettings): Budget | undefined {
  if (!budget) return undefined;
  const { run_time: runTimeMs, energy = 0, power = 1, per: perMs } = budget;
  return { runTimeMs: runTimeMs ?? (energy / power) * MS_PER_HOUR, perMs };
}

export function rulesFor(
  settings: ActuatorSettings,
  kind: AnyActuatorKind,
  all: readonly ActuatorSettings[],
): Rules {
  const { id, initial, safe } = settings;
  const off = kind.off ?? (["off", 0] as const).find((value) => kind.accepts(value, settings)) ?? safe;
  const budget = budgetOf(settings);
  const listing = all.filter((other) => other.interlock.includes(id)).map((other) => other.id);
  return {
    id,
    initial,
    safe,
    off,
    ...(settings.offline_after !== undefined && { offlineAfterMs: settings.offline_after }),
    ...(settings.max_on !== undefined && { maxOnMs: settings.max_on }),
    minOnMs: settings.min_on ?? 0,
    minOffMs: settings.min_off ?? 0,
    interlock: [...new Set([...settings.interlock, ...listing])],
    startupDelayMs: settings.startup_delay,
    restoresLast: settings.restore === "last",
    ...(budget && { budget }),
    pauseMs: kind.pauseMs?.(settings) ?? 0,
    accepts: (value) => kind.accepts(value, settings),
    isOn: (value) => isOnFor(kind, value),
    runsForMs: (value) => kind.runsForMs?.(value, settings),
  };
}

/** One thing wrong with one key of one actuator. */
export interface ActuatorProblem {
  readonly id: string;
  readonly key: "initial" | "safe" | "max_on" | "min_on" | "budget" | "interlock";
  readonly message: string;
}

/** Everything that makes a set of actuators impossible to guard. Kinds are looked up by `driver`. */
export function actuatorProblems(
  all: readonly ActuatorSettings[],
  kinds: ReadonlyMap<string, AnyActuatorKind>,
): readonly ActuatorProblem[] {
  return all.flatMap((settings) => {
    const kind = kinds.get(settings.driver);
    return [...(kind ? valueProblems(settings, kind) : []), ...interlockProblems(settings, all, kinds)];
  });
}

function valueProblems(settings: ActuatorSettings, kind: AnyActuatorKind): ActuatorProblem[] {
  const { id, safe, max_on: maxOnMs, min_on: minOnMs } = settings;
  const problems = (["initial", "safe"] as const)
    .filter((key) => !kind.accepts(settings[key], settings))
    .map((key): ActuatorProblem => ({ id, key, message: `${kind.name} cannot be ${settings[key]}` }));
  if (isOnFor(kind, safe))
    for (const key of ["max_on", "budget"] as const)
      if (settings[key] !== undefined)
        problems.push({ id, key, message: `contradicts safe: ${safe}, which has no end` });
  if (maxOnMs !== undefined && minOnMs !== undefined && minOnMs > maxOnMs)
    problems.push({ id, key: "min_on", message: "must not be longer than max_on" });
  return problems;
}

function interlockProblems(
  settings: ActuatorSettings,
  all: readonly ActuatorSettings[],
  kinds: ReadonlyMap<string, AnyActuatorKind>,
): ActuatorProblem[] {
  const { id } = settings;
  const on = ({ driver, ...other }: ActuatorSettings, key: "initial" | "safe") => {
    const kind = kinds.get(driver);
    return kind !== undefined && isOnFor(kind, other[key]);
  };
  return settings.interlock.flatMap((otherId): ActuatorProblem[] => {
    const problem = (message: string): ActuatorProblem => ({ id, key: "interlock", message });
    if (otherId === id) return [problem("an actuator cannot be interlocked with itself")];
    const other = all.find((candidate) => candidate.id === otherId);
    if (!other) return [problem(`there is no actuator "${otherId}"`)];
    return (["initial", "safe"] as const)
      .filter((key) => on(settings, key) && on(other, key))
      .map((key) => problem(`${id} and ${otherId} are both on by their ${key}`));
  });
}
