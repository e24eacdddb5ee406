import type { Config } from "../config/config.ts";
import { formatProblem } from "../config/problem.ts";
import { linuxClock } from "../device/linux/clock.ts";
import { systemRandom } from "../device/linux/random.ts";
import { SERVICE_SOCKET, socketInOutbox } from "../local/protocol.ts";
import { type Log, silentLog } from "../log.ts";
import { networkDial } from "../mqtt/link/dial.ts";
import { createMessageHub, type MessageHub } from "../mqtt/messages/hub.ts";
import { nodeFiles } from "../outbox/files/node.ts";
import type { Messages } from "../sensors/messages.ts";
import { boardChooser } from "./board.ts";
import { readConfigFile } from "./config-file.ts";
import type { Node, NodeStatus } from "./node.ts";
import { readingKeys } from "./private-key.ts";
import { type Surroundings, supervise } from "./supervisor.ts";
import { processVitals } from "./vitals.ts";

/** Real time, real chance, the real disk and the real network. */
export async function realSurroundings(
  given: Pick<Surroundings, "version" | "log" | "simulate" | "onRestart">,
): Promise<Surroundings & { readonly messages: MessageHub }> {
  return {
    ...given,
    chooseBoard: await boardChooser(given.simulate),
    clock: linuxClock(),
    random: systemRandom,
    files: nodeFiles(),
    messages: createMessageHub(),
    vitals: processVitals(),
    localSockets: (outboxPath) => [SERVICE_SOCKET, socketInOutbox(outboxPath)],
    dialFor: ({ mqtt }: Config) => networkDial(mqtt.tls, readingKeys(mqtt.tls?.key, given.log)),
  };
}

export interface StartOptions {
  /** Path of a configuration file. */
  readonly config: string;
  /** The simulated board in place of the real one. Default: false. */
  readonly simulate?: boolean;
  /** Default: silent. */
  readonly log?: Log;
  /** Shown in `about` and `event/boot`. Default: `library`. */
  readonly version?: string;
}

export interface StartedNode extends Messages {
  readonly guard: Node["guard"];
  status(): NodeStatus;
  stop(): Promise<void>;
}

/**
 * Runs a node in this process, on the real board and clock. Rejects with everything that is wrong with the
 * configuration, or with what keeps the node from starting. The caller sees to signals: call `stop` on SIGTERM.
 */
export async function startNode(options: StartOptions): Promise<StartedNode> {
  const { config: file, simulate = false, log = silentLog, version = "library" } = options;
  const result = await readConfigFile(file, { env: process.env, cwd: process.cwd() });
  if (!result.ok) throw new Error(result.problems.map((problem) => formatProblem(problem)).join("\n"));
  const { config } = result;
  const surroundings = await realSurroundings({
    version,
    log,
    simulate,
    onRestart: () =>
      void supervisor
        .reload(config)
        .catch((error: Error) => log.error("cannot restart", { error: error.message })),
  });
  const { messages } = surroundings;
  const supervisor = await supervise(config, surroundings);
  return {
    publish: messages.publish,
    subscribe: messages.subscribe,
    unsubscribe: messages.unsubscribe,
    onConnect: messages.onConnect,
    onConnectionLost: messages.onConnectionLost,
    get guard() {
      return supervisor.node().guard;
    },
    status: () => supervisor.node().status(),
    stop: () => supervisor.stop(),
  };
}
