import { join } from "node:path";
import type { Config } from "../config/config.ts";
import type { Clock } from "../device/clock.ts";
import type { Random } from "../device/random.ts";
import { type Log, messageOf } from "../log.ts";
import type { Dial } from "../mqtt/link/dial.ts";
import type { MessageHub } from "../mqtt/messages/hub.ts";
import type { FileLayer } from "../outbox/files/files.ts";
import { type Actuators, openActuators, sameActuators } from "./actuators.ts";
import type { BoardChoice, ChooseBoard } from "./board.ts";
import { type Node, startNode } from "./node.ts";
import { folderError } from "./outbox-folder.ts";
import { memoryFileOn } from "./state-file.ts";
import type { ProcessVitals } from "./vitals.ts";

/** What every node of this process shares. */
export interface Surroundings {
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly files: FileLayer;
  readonly vitals: ProcessVitals;
  readonly localSockets?: ((outboxPath: string) => readonly string[]) | undefined;
  /** How often what nobody announces is looked at, on the simulated board too; default: every second. */
  readonly lookEveryMs?: number | undefined;
  /** Messages of the user's own code, which outlive each node. */
  readonly messages?: MessageHub | undefined;
  readonly dialFor: (config: Config) => Dial;
  readonly chooseBoard: ChooseBoard;
  /** Each configuration gets a simulated board of its own; the real one stays. */
  readonly simulate: boolean;
  /** Somebody commanded `restart`. */
  readonly onRestart: () => void;
}

/** Keeps one node running, and replaces it where its configuration changes. */
export interface Supervisor {
  node(): Node;
  /** The board of the node that runs now. */
  board(): BoardChoice;
  /**
   * Lets a new configuration take effect without losing a record: the old node stops, the new one goes on with the same
   * outbox. Outputs stay untouched where their part of the configuration is the same. Where the new node cannot start,
   * the old one comes back and the returned promise rejects with the reason; where not even the old one can, the
   * outputs are made safe and it rejects with a {@link NodeLostError}. Of several that wait, only the last happens.
   */
  reload(config: Config): Promise<void>;
  /** For good: whatever was asked before and has not begun is dropped. */
  stop(): Promise<void>;
  /** Ends everything at once, as a killed process does. For simulations. */
  abandon(): void;
}

/** A reload failed and so did going back: no node runs any more. */
export class NodeLostError extends Error {
  override readonly name = "NodeLostError";
}

/** One node with what was made for it. */
interface Generation {
  readonly node: Node;
  readonly choice: BoardChoice;
  readonly actuators: Actuators;
  readonly world: AbortController;
}

export async function supervise(config: Config, surroundings: Surroundings): Promise<Supervisor> {
  let current = await start(config, surroundings, undefined);
  let turn: Promise<unknown> = Promise.resolve();
  let wanted: Config | undefined;
  let stopping: Promise<void> | undefined;

  async function replace(next: Config): Promise<void> {
    const old = current;
    const kept = sameActuators(old.node.config, next) ? old : undefined;
    await stopGeneration(old, kept !== undefined);
    try {
      current = await start(next, surroundings, kept);
    } catch (error) {
      current = await start(old.node.config, surroundings, kept).catch(async (second: unknown) => {
        await kept?.actuators.guard.shutdown();
        stopping = Promise.resolve();
        throw new NodeLostError(
          `${messageOf(error)}; and the old one cannot go on: ${messageOf(second)}; the outputs are safe`,
          {
            cause: error,
          },
        );
      });
      throw error;
    }
    if (old.choice.board !== current.choice.board && kept === undefined) await old.choice.board.close();
  }

  /** One change at a time, in the order asked for. */
  function inTurn(change: () => Promise<void>): Promise<void> {
    const done = turn.then(change);
    turn = done.catch(() => {});
    return done;
  }

  async function stop(): Promise<void> {
    await stopGeneration(current, false);
    await current.choice.board.close();
  }

  return {
    node: () => current.node,
    board: () => current.choice,
    async reload(next) {
      wanted = next;
      await inTurn(async () => {
        if (wanted !== next || stopping) return;
        await replace(next);
      });
    },
    stop() {
      stopping ??= inTurn(stop);
      return stopping;
    },
    abandon() {
      current.world.abort();
      current.node.abandon();
    },
  };
}

async function stopGeneration({ node, world }: Generation, keepActuators: boolean): Promise<void> {
  await node.stop({ keepActuators });
  world.abort();
}

/** Outputs first: they take their `initial` state before anything else can fail. */
async function start(
  config: Config,
  surroundings: Surroundings,
  before: Pick<Generation, "actuators" | "choice"> | undefined,
): Promise<Generation> {
  const { clock, log, files, dialFor, chooseBoard, simulate, ...rest } = surroundings;
  const choice = simulate || !before ? chooseBoard(config, clock) : before.choice;
  try {
    files.makeFolder(config.buffer.path);
  } catch (error) {
    throw folderError(config.buffer.path, error);
  }
  const memoryFile = memoryFileOn(files, join(config.buffer.path, "actuators.json"));
  const actuators =
    before?.actuators ?? (await openActuators(config, { board: choice.board, clock, log, memoryFile }));
  const world = new AbortController();
  try {
    const node = await startNode(config, {
      ...rest,
      clock,
      log,
      files,
      board: choice.board,
      actuators,
      dial: dialFor(config),
    });
    void choice.simulated?.run(world.signal, surroundings.lookEveryMs);
    return { node, choice, actuators, world };
  } catch (error) {
    if (!before) await actuators.guard.shutdown();
    throw error;
  }
}
