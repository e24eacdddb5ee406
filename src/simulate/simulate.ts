import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { asJson } from "../audit/decode.ts";
import { Ledger, type Verdict } from "../audit/ledger.ts";
import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { formatProblem } from "../config/problem.ts";
import type { Clock } from "../device/clock.ts";
import { seededRandom } from "../device/random.ts";
import type { SimBoard } from "../device/sim/board.ts";
import { VirtualClock } from "../device/sim/clock.ts";
import { applyFault } from "../device/sim/faults.ts";
import type { FaultName } from "../device/sim/settings.ts";
import type { World } from "../device/sim/world.ts";
import { type Log, silentLog } from "../log.ts";
import { createMessageHub } from "../mqtt/messages/hub.ts";
import type { Node } from "../node/node.ts";
import { loadParts } from "../node/parts.ts";
import { chooseSimulatedBoard } from "../node/simulated-board.ts";
import { type Supervisor, supervise } from "../node/supervisor.ts";
import { type Mount, memoryDisk } from "../outbox/files/memory.ts";
import { parseDurationMs } from "../schema/duration.ts";
import type { AnySensorDriver } from "../sensors/driver.ts";
import type { Messages } from "../sensors/messages.ts";
import { createSimBroker, type SimBroker } from "./broker.ts";

export interface SimulateOptions {
  /** A configuration as YAML, or the URL of a file. `mqtt.url` and `buffer.path` are taken as they are and not used. */
  readonly config: string | URL;
  /** Overrules `simulation.seed`: the same seed gives the same run. */
  readonly seed?: number;
  /** What the system clock says at the start. Default: 2026-01-01T00:00:00Z. */
  readonly start?: string | Date;
  /** Whether the system clock has been set. Default: true. */
  readonly clockSynced?: boolean;
  /**
   * How often the node looks at what nobody announces to it: losses in the outbox, the system clock, lines that chatter.
   * Default: `1s`; a longer time lets weeks pass in seconds.
   */
  readonly lookEvery?: string | number;
  /** Drivers of one's own, beside the built-in ones. */
  readonly drivers?: readonly AnySensorDriver[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Default: silent. */
  readonly log?: Log;
}

/** How a run of the node ends. */
export type Ending = "clean" | "kill" | "power_cut";

/** A message of the node's, its payload parsed, whatever `telemetry.encoding` it has. */
export interface SimulatedMessage {
  /** Below the topic root: `telemetry/air`. */
  readonly topic: string;
  readonly payload: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever fields it expects
  readonly json: any;
  readonly retain: boolean;
}

/** A whole node on a simulated board, a virtual clock and a broker that can be told to fail. */
export interface Simulation {
  readonly clock: VirtualClock;
  readonly broker: SimBroker;
  readonly config: Config;
  /** Of the node that runs now: a restart makes another. */
  readonly world: World;
  readonly board: SimBoard;
  readonly node: Node;
  /** As the node's own code has it: publish, subscribe, and the connection's coming and going. */
  readonly user: Messages;
  /** Lets time pass: `10s`, `5m`, or milliseconds. */
  advance(duration: string | number): Promise<void>;
  /** Makes a sensor fail, or mends it (`undefined`). */
  fault(sensor: string, fault: FaultName | undefined): void;
  /** Makes the disk refuse every write with an error code (`ENOSPC`, `EROFS`, `EIO`), or mends it (`undefined`). */
  diskFault(code: string | undefined): void;
  /** What the broker accepted from the node so far, in order. `filter` below the topic root; default: everything. */
  messages(filter?: string): readonly SimulatedMessage[];
  /** What the broker has retained under a topic below the root; undefined: nothing. */
  retained(topic: string): string | undefined;
  /** Sends a command to an actuator, or to `node`, and returns the result once there is one. */
  command(
    target: string,
    payload: string | Readonly<Record<string, unknown>>,
  ): Promise<SimulatedMessage["json"]>;
  /** The account of the node's stream so far. */
  audit(): Verdict;
  /** Ends the run and starts the node again on the same disk, the same broker and the same world. */
  restart(ending?: Ending): Promise<void>;
  /** Lets another configuration take effect, as SIGHUP does. */
  reload(config: string): Promise<void>;
  stop(): Promise<void>;
}

const DEFAULT_START = "2026-01-01T00:00:00Z";
const COMMAND_PATIENCE_MS = 60_000;
const COMMAND_LOOK_MS = 10;

/** Starts a node that exists only in this process. Throws where the configuration is wrong, with all that is. */
export async function simulate(options: SimulateOptions): Promise<Simulation> {
  const config = await configFrom(options);
  const seed = config.simulation.seed;
  const disk = memoryDisk();
  const random = seededRandom(seed);
  const startMs = new Date(options.start ?? DEFAULT_START).getTime();
  const clockAt = (wallMs: number, bootId: string, monotonicMs?: number) =>
    new VirtualClock({
      wallMs,
      bootId,
      ...(monotonicMs !== undefined && { monotonicMs }),
      synced: options.clockSynced ?? true,
      settle: () => broker.settled(),
    });
  let boots = 1;
  let clock = clockAt(startMs, bootIdOf(boots));
  const root = `${config.mqtt.topic_root}/`;
  const ledger = new Ledger(config.device.id);
  const broker = await createSimBroker({
    clock: { ...delegate(() => clock) },
    onMessage: ({ topic, bytes }) => {
      if (topic.startsWith(root)) ledger.observe(topic.slice(root.length), asJson(bytes));
    },
  });

  const hub = createMessageHub();
  let mount: Mount;
  let life: Life;
  let supervisor: Supervisor;
  let current = config;

  async function start(): Promise<void> {
    mount = disk.mount();
    life = mortal(clock);
    await loadParts(current);
    const starting = supervise(current, {
      version: "simulated",
      clock: life.clock,
      random,
      log: options.log ?? silentLog,
      files: mount,
      vitals: { rssBytes: () => 64 * 1024 ** 2 },
      messages: hub,
      dialFor: () => () => broker.dial(),
      chooseBoard: chooseSimulatedBoard,
      simulate: true,
      ...(options.lookEvery !== undefined && { lookEveryMs: milliseconds(options.lookEvery) }),
      onRestart: () => void supervisor.reload(current).catch(() => {}),
    });
    supervisor = await clock.run(starting);
  }

  async function end(ending: Ending): Promise<void> {
    if (ending === "clean") {
      await clock.run(supervisor.stop());
      return;
    }
    mount.kill();
    life.end();
    supervisor.abandon();
    await broker.settled();
    if (ending !== "power_cut") return;
    disk.cutPower();
    boots++;
    clock = clockAt(clock.wallMs(), bootIdOf(boots), 0);
  }

  function simulated() {
    const { simulated } = supervisor.board();
    if (!simulated) throw new Error("a simulation without a simulated board");
    return simulated;
  }

  const messages = (filter = "#") =>
    broker.messages(root + filter).map(({ topic, payload, bytes, retain }) => ({
      topic: topic.slice(root.length),
      payload,
      json: parsed(asJson(bytes)),
      retain,
    }));

  await start();
  return {
    get clock() {
      return clock;
    },
    get world() {
      return simulated().board.world;
    },
    get board() {
      return simulated().board;
    },
    get node() {
      return supervisor.node();
    },
    get config() {
      return current;
    },
    broker,
    user: hub,
    advance: (duration) => clock.advance(milliseconds(duration)),
    fault(sensor, fault) {
      const wire = simulated().wires.get(sensor);
      if (!wire) throw new RangeError(`no sensor "${sensor}" on the simulated board`);
      applyFault(simulated().board, wire, fault);
    },
    diskFault: (code) => disk.refuseWrites(code),
    messages,
    retained: (topic) => broker.retained(root + topic),
    async command(target, payload) {
      const before = messages(`result/${target}`).length;
      const text = typeof payload === "string" ? payload : JSON.stringify(payload);
      await broker.publish(`${root}command/${target}`, text);
      for (let waitedMs = 0; waitedMs < COMMAND_PATIENCE_MS; waitedMs += COMMAND_LOOK_MS) {
        await clock.advance(waitedMs === 0 ? 0 : COMMAND_LOOK_MS);
        const result = messages(`result/${target}`)[before];
        if (result) return result.json;
      }
      throw new Error(`no result/${target} came for ${text}`);
    },
    audit: () => ledger.verdict(),
    async restart(ending = "clean") {
      await end(ending);
      await start();
    },
    async reload(text) {
      const next = await configFrom({ ...options, config: text });
      await loadParts(next);
      await clock.run(supervisor.reload(next));
      current = next;
    },
    async stop() {
      await end("clean");
      await broker.close();
    },
  };
}

async function configFrom({ config, seed, drivers = [], env = {} }: SimulateOptions): Promise<Config> {
  const file = typeof config === "string" ? "fieldpost.yaml" : fileURLToPath(config);
  const text = typeof config === "string" ? config : await readFile(config, "utf8");
  const result = await loadConfig(text, {
    file,
    dir: dirname(file),
    env,
    machine: {
      serial: "100000005eed0001",
      hostname: "simulated",
      machineId: "5eed00015eed00015eed00015eed0001",
    },
    readFile: (path) => readFileSync(path, "utf8"),
    importDriver: (path) => import(path),
    drivers,
  });
  if (!result.ok) throw new Error(result.problems.map((problem) => formatProblem(problem)).join("\n"));
  if (seed === undefined) return result.config;
  return { ...result.config, simulation: { ...result.config.simulation, seed } };
}

/** Time as one process sees it. */
interface Life {
  readonly clock: Clock;
  /** The process dies: it wakes from no sleep any more. */
  end(): void;
}

function mortal(clock: VirtualClock): Life {
  let alive = true;
  return {
    clock: {
      bootId: clock.bootId,
      wallMs: () => clock.wallMs(),
      monotonicMs: () => clock.monotonicMs(),
      synced: () => clock.synced(),
      async sleep(durationMs, signal) {
        await clock.sleep(durationMs, signal);
        if (!alive) await new Promise<never>(() => {});
      },
    },
    end() {
      alive = false;
    },
  };
}

/** The broker outlives a power cut, and with it the clock. */
function delegate(clock: () => VirtualClock) {
  return {
    bootId: "00000000",
    wallMs: () => clock().wallMs(),
    monotonicMs: () => clock().monotonicMs(),
    synced: () => true,
    sleep: (durationMs: number, signal?: AbortSignal) => clock().sleep(durationMs, signal),
  };
}

function bootIdOf(boot: number): string {
  return (0x5eed0000 + boot).toString(16);
}

function milliseconds(duration: string | number): number {
  if (typeof duration === "number") return duration;
  const durationMs = parseDurationMs(duration);
  if (durationMs === undefined) throw new RangeError(`"${duration}" is not a duration such as 10s or 5m`);
  return durationMs;
}

function parsed(payload: string): unknown {
  try {
    return JSON.parse(payload);
  } catch {
    return undefined;
  }
}
