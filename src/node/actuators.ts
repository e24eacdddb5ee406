import type { GroupSettings } from "../actuators/group.ts";
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
  const groups = groupsOf(config);
  const outputs = outputsOf(config);
  const grouping = { of: (_: Change): Change[] => [] };
  const tell = (change: Change) => {
    latest.set(change.id, change);
    if (listener) listener(change);
    else unheard.push(change);
  };
  const guard = await openGuard({
    actuators: outputs.map(settingsOf),
    kinds: new Map(outputs.map(({ kind }) => [kind.name, kind])),
    board,
    clock,
    log,
    memory: await openMemory(parts.memoryFile, clock, log),
    onChange(change) {
      tell(change);
      for (const whole of grouping.of(change)) tell(whole);
    },
  });
  if (groups.length > 0) {
    const { groupChanges, withGroups } = await import("../actuators/group.ts");
    grouping.of = groupChanges(guard, groups);
    for (const change of [...latest.values()]) for (const whole of grouping.of(change)) tell(whole);
    return actuatorsOf(withGroups(guard, groups));
  }
  return actuatorsOf(guard);

  function actuatorsOf(guard: Guard): Actuators {
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
}

/** Whether an actuator is several others under one name. */
function isGroup({ kind }: ActuatorConfig): boolean {
  return kind.name === "group";
}

/** The actuators that are outputs of their own. */
export function outputsOf({ actuators }: Pick<Config, "actuators">): readonly ActuatorConfig[] {
  return actuators.filter((actuator) => !isGroup(actuator));
}

function groupsOf({ actuators }: Config): readonly GroupSettings[] {
  return actuators
    .filter(isGroup)
    .map(({ id, options }) => ({ id, members: options["members"] as readonly string[] }));
}

/**
 * Whether two configurations mean the same outputs, remembered in the same place, so that a reload need not move them: what
 * a guard goes on writing into another folder the next process would not find.
 */
export function sameActuators(one: Config, other: Config): boolean {
  const outputs = ({ actuators, gpio, expanders, buses, buffer }: Config) =>
    JSON.stringify([gpio, expanders, buses, buffer.path, actuators.map(settingsOf)]);
  return outputs(one) === outputs(other);
}

function settingsOf({ kind, options, ...common }: ActuatorConfig): ActuatorSettings {
  return { ...options, ...common, driver: kind.name };
}
