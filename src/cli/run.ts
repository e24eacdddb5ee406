import { parseArgs } from "node:util";
import type { Problem } from "../config/problem.ts";
import { findServiceManager } from "../device/linux/service-manager.ts";
import { type Log, messageOf } from "../log.ts";
import { formatServer } from "../mqtt/broker/server.ts";
import { realSurroundings } from "../node/start.ts";
import { NodeLostError, type Supervisor, supervise } from "../node/supervisor.ts";
import { DEFAULT_CONFIG, loadConfigFile, loadOrExplain } from "./config-file.ts";
import { CliError, EXIT } from "./exit.ts";
import { type CliIo, wantsColor } from "./io.ts";
import { createLog } from "./log.ts";

/** A stop that has not finished by then never will: systemd would wait longer, the contract does not. */
const STOP_LIMIT_MS = 5_000;

/** `fieldpost run [--config FILE] [--simulate] [--verbose]`: until SIGTERM or SIGINT; SIGHUP reads the file again. */
export async function run(args: string[], io: CliIo, version: string): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      config: { type: "string", short: "c", default: DEFAULT_CONFIG },
      simulate: { type: "boolean", default: false },
      verbose: { type: "boolean", short: "v", default: false },
    },
    strict: true,
  });
  const log = createLog({
    write: io.stderr,
    level: values.verbose ? "debug" : "info",
    human: io.logsToTty === true,
    color: io.logsToTty === true && wantsColor({ ...io, isTty: true }),
    wallMs: Date.now,
  });
  // From here on, so that a signal during the start is not lost and does not end the process half made.
  const ending = whenToEnd(log);
  const reloads = reloadsOf(values.config, io, log, ending.end);
  process.on("SIGHUP", reloads.ask);

  const config = await loadOrExplain(values.config, io);
  if (!config) return EXIT.config;
  const surroundings = await realSurroundings({
    version,
    log,
    simulate: values.simulate,
    onRestart: reloads.ask,
  });
  const supervisor = await supervise(config, surroundings).catch((error: unknown) => {
    throw new CliError(EXIT.failed, messageOf(error), { cause: error });
  });
  const { opening } = supervisor.node().status();
  log.info("fieldpost is running", {
    device: config.device.id,
    broker: config.mqtt.url.map(formatServer).join(" "),
    boot: opening.run,
    last_end: opening.lastEnd,
    board: supervisor.board().board.host.model,
  });
  const tended = new AbortController();
  const manager = findServiceManager({
    env: io.env,
    pid: process.pid,
    clock: surroundings.clock,
    onUnwell: (finding) =>
      finding === undefined
        ? log.info("the node is well again")
        : log.error("the node is not well: the service manager will start it anew", { finding }),
  });
  const isReady = () => manager?.ready(`${supervisor.node().config.device.id}: running`);
  isReady();
  void manager?.keepAlive(() => supervisor.node().selfCheck(), tended.signal);
  reloads.begin(supervisor, { began: () => manager?.reloading(), ended: isReady });

  const exitCode = await ending.told;
  tended.abort();
  manager?.stopping();
  reloads.end();
  await supervisor.stop();
  log.info("stopped");
  return exitCode;
}

interface Ending {
  /** Resolves with the exit code when the process is to end. */
  readonly told: Promise<number>;
  end(exitCode: number): void;
}

/** The process ends on a signal, or because the program is wrong; and then in time, whatever hangs. */
function whenToEnd(log: Log): Ending {
  let end: (exitCode: number) => void = () => {};
  const told = new Promise<number>((resolve) => {
    end = resolve;
  });
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      log.info("stopping", { signal });
      end(EXIT.done);
    });
  }
  // The outputs must not stay as a program that has lost its way left them.
  for (const event of ["uncaughtException", "unhandledRejection"] as const) {
    process.on(event, (error: unknown) => {
      log.error("internal error: please report it", {
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
      end(EXIT.failed);
    });
  }
  // A transfer on a dead bus keeps a thread, and a start may hang.
  void told.then((exitCode) => setTimeout(() => process.exit(exitCode), STOP_LIMIT_MS).unref());
  return { told, end };
}

interface ReloadEvents {
  readonly began: () => void;
  readonly ended: () => void;
}

interface Reloads {
  readonly ask: () => void;
  begin(supervisor: Supervisor, onReload: ReloadEvents): void;
  /** Whoever asks from now on asks in vain. */
  end(): void;
}

/** Reads the configuration again when asked to. What is asked for while one reload is under way is one more reload. */
function reloadsOf(file: string, io: CliIo, log: Log, end: (exitCode: number) => void): Reloads {
  let supervisor: Supervisor | undefined;
  let events: ReloadEvents | undefined;
  let asked = false;
  let busy = false;
  let ended = false;

  async function reload(to: Supervisor): Promise<void> {
    const result = await loadConfigFile(file, io).catch((error: Error) => {
      log.error(error.message);
      return undefined;
    });
    if (ended) return;
    if (!result?.ok) {
      logProblems(result?.problems ?? [], log);
      log.error("the new configuration is refused; the old one goes on", { file });
      return;
    }
    try {
      await to.reload(result.config);
      log.info("the new configuration has taken effect", { file });
    } catch (error) {
      const { message } = error as Error;
      if (!(error instanceof NodeLostError)) {
        log.error("the new configuration cannot run; the old one goes on", { error: message });
        return;
      }
      log.error("the new configuration cannot run", { error: message });
      end(EXIT.failed);
    }
  }

  async function serve(): Promise<void> {
    if (busy || !supervisor) return;
    busy = true;
    while (asked && !ended) {
      asked = false;
      events?.began();
      await reload(supervisor);
      if (!ended) events?.ended();
    }
    busy = false;
  }

  return {
    ask() {
      asked = true;
      void serve();
    },
    begin(running, onReload) {
      supervisor = running;
      events = onReload;
      void serve();
    },
    end() {
      ended = true;
    },
  };
}

/** In a running node the log is where people look, and machines read it. */
function logProblems(problems: readonly Problem[], log: Log): void {
  for (const { file, line, column, message, suggestion } of problems)
    log.error(message, { at: `${file}:${line}:${column}`, did_you_mean: suggestion });
}
