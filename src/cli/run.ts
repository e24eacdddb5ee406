import { parseArgs } from "node:util";
import type { Log } from "../log.ts";
import { formatServer } from "../mqtt/server.ts";
import { realSurroundings } from "../node/start.ts";
import { supervise } from "../node/supervisor.ts";
import { DEFAULT_CONFIG, loadOrExplain } from "./config-file.ts";
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
  const config = await loadOrExplain(values.config, io);
  if (!config) return EXIT.config;
  const log = createLog({
    write: io.stderr,
    level: values.verbose ? "debug" : "info",
    human: io.logsToTty === true,
    color: io.logsToTty === true && wantsColor({ ...io, isTty: true }),
    wallMs: Date.now,
  });

  const told = untilTold(log);
  const restart = { asked: () => {} };
  const surroundings = realSurroundings({
    version,
    log,
    simulate: values.simulate,
    onRestart: () => restart.asked(),
  });
  const supervisor = await supervise(config, surroundings).catch((error: unknown) => {
    throw new CliError(EXIT.failed, error instanceof Error ? error.message : String(error), { cause: error });
  });
  const { opening } = supervisor.node().status();
  log.info("fieldpost is running", {
    device: config.device.id,
    broker: config.mqtt.url.map(formatServer).join(" "),
    boot: opening.run,
    last_end: opening.lastEnd,
    board: supervisor.board().board.host.model,
  });

  const reload = async () => {
    const next = await loadOrExplain(values.config, io).catch((error: Error) => {
      log.error(error.message);
      return undefined;
    });
    if (!next) {
      log.error("the new configuration is refused; the old one goes on", { file: values.config });
      return;
    }
    await supervisor.reload(next).then(
      () => log.info("the new configuration has taken effect", { file: values.config }),
      (error: Error) =>
        log.error("the new configuration cannot run; the old one goes on", { error: error.message }),
    );
  };
  const onReload = () => void reload();
  process.on("SIGHUP", onReload);
  restart.asked = onReload;

  const exitCode = await told;
  // Whatever hangs (a transfer on a dead bus keeps a thread), the process ends in time.
  setTimeout(() => process.exit(exitCode), STOP_LIMIT_MS).unref();
  await supervisor.stop();
  log.info("stopped");
  return exitCode;
}

/** Resolves with the exit code when the process is to end: on a signal, or because the program is wrong. */
function untilTold(log: Log): Promise<number> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.on(signal, () => {
        log.info("stopping", { signal });
        resolve(EXIT.done);
      });
    }
    // The outputs must not stay as a program that has lost its way left them.
    for (const event of ["uncaughtException", "unhandledRejection"] as const) {
      process.on(event, (error: unknown) => {
        log.error("internal error: please report it", {
          error: error instanceof Error ? (error.stack ?? error.message) : String(error),
        });
        resolve(EXIT.failed);
      });
    }
  });
}
