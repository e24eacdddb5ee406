import { type Change, type Guard, openGuard } from "../actuators/guard.ts";
import type { OutputBoard } from "../actuators/kind.ts";
import { type MemoryFile, openMemory } from "../actuators/memory.ts";
import type { ActuatorSettings } from "../actuators/rules.ts";
import type { ActuatorConfig, Config } from "../config/config.ts";
import type { Clock } from "../device/clock.ts";
import type { Log } from "../log.ts";

/**
 * The node's outputs behind their guard. They open before anything else, so what they did first is kept until somebody
 * listens; and they may outlive a node whose configuration is replaced by one with the same actuators.
 */
export interface Actuators {
  readonly guard: Guard;
  /** The last change of each actuator. */
  latest(): readonly Change[];
  /**
   * Tells every change so far that nobody has heard of, and then each as it happens, to this listener only; to nobody
   * (`undefined`), so that they wait for the next.
   */
  listen(listener: ((change: Change) => void) | undefined): void;
}

export interface ActuatorParts {
  readonly board: OutputBoard;
  readonly clock: Clock;
  readonly log: Log;
  readonly memoryFile: MemoryFile;
}

export async function openActuators(config: Config, parts: ActuatorParts): Promise<Actuators> {
  const { board, clock, log } = parts;
  let unheard: Change[] = [];
  let listener: ((change: Change) => void) | undefined;
  const latest = new Map<string, Change>();
  const guard = await openGuard({
    actuators: config.actuators.map(settingsOf),
    kinds: new Map(config.actuators.map(({ kind }) => [kind.name, kind])),
    board,
    clock,
    log,
    memory: await openMemory(parts.memoryFile, clock, log),
    onChange(change) {
      latest.set(change.id, change);
      if (listener) listener(change);
      else unheard.push(change);
    },
  });
  return {
    guard,
    latest: () => [...latest.values()],
    listen(next) {
      listener = next;
      if (!next) return;
      const missed = unheard;
      unheard = [];
      for (const change of missed) next(change);
    },
  };
}

/** Whether two configurations mean the same outputs, so that a reload need not move them. */
export function sameActuators(one: Config, other: Config): boolean {
  const outputs = ({ actuators, gpio, expanders, buses }: Config) =>
    JSON.stringify([gpio, expanders, buses, actuators.map(settingsOf)]);
  return outputs(one) === outputs(other);
}

function settingsOf({ kind, options, ...common }: ActuatorConfig): ActuatorSettings {
  return { ...options, ...common, driver: kind.name };
}
