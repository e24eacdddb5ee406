import type { Config } from "../config/config.ts";
import type { Problem } from "../config/problem.ts";
import type { Board } from "../device/board.ts";
import type { Clock } from "../device/clock.ts";
import type { NodeView } from "../node/view.ts";
import type { BrokerVisit } from "./broker-visit.ts";
import type { Machine } from "./machine.ts";
import type { AskTime } from "./sntp.ts";

/** Everything that a check looks at. Whatever is outside this process comes in here, so that a test can break it. */
export interface Patient {
  readonly config: Config;
  readonly file: ConfigFile;
  readonly board: Board;
  readonly clock: Clock;
  /** The board is simulated; machine, disk and broker are the real ones. */
  readonly simulated: boolean;
  readonly machine: Machine;
  /** One a server of `mqtt.url`; none where the broker may not be asked. */
  readonly brokers: readonly BrokerVisit[];
  readonly askTime: AskTime;
  /** Asks the node that runs with this outbox, once. */
  runningNode(): Promise<RunningNode>;
}

export interface ConfigFile {
  /** Whole. */
  readonly path: string;
  readonly text: string;
  readonly warnings: readonly Problem[];
  /** It is the one that the installed service runs with. */
  readonly isOfService: boolean;
}

/** Undefined `view`: it runs, and this user may not talk to it. */
export type RunningNode = { readonly runs: false } | { readonly runs: true; readonly view?: NodeView };
