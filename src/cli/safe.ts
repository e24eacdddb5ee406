import { parseArgs } from "node:util";
import { type ActuatorValue, isOnFor } from "../actuators/kind.ts";
import type { ActuatorConfig } from "../config/config.ts";
import type { Board } from "../device/board.ts";
import { type Clock, withDeadline } from "../device/clock.ts";
import { linuxClock } from "../device/linux/clock.ts";
import { messageOf } from "../log.ts";
import { outputsOf } from "../node/actuators.ts";
import { boardChooser } from "../node/board.ts";
import { DEFAULT_CONFIG, loadOutputsFile, showProblems } from "./config-file.ts";
import { EXIT } from "./exit.ts";
import type { CliIo } from "./io.ts";

/** One output that does not answer must not keep the others from being made safe. */
const OUTPUT_DEADLINE_MS = 2_000;

/**
 * `fieldpost safe [--config FILE]`: drives every actuator to its `safe` value from nothing but the configuration. What a
 * service runs after any exit, because a board goes on driving its outputs when the process is gone. What else is wrong with
 * the configuration does not matter here; of an output that is wrong itself, the others are driven all the same.
 */
export async function safe(args: string[], io: CliIo): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      config: { type: "string", short: "c", default: DEFAULT_CONFIG },
      simulate: { type: "boolean", default: false },
    },
    strict: true,
  });
  const { config, problems, leftOut } = await loadOutputsFile(values.config, io);
  if (problems.length > 0) showProblems(problems, values.config, io);
  if (!config) {
    io.stderr("fieldpost: NO output was made safe: the configuration cannot be read\n");
    return EXIT.config;
  }
  if (leftOut.length > 0)
    io.stderr(`fieldpost: NOT made safe, because of what is wrong above: ${leftOut.join(", ")}\n`);
  const clock = linuxClock();
  const { board } = (await boardChooser(values.simulate))(config, clock);
  let exitCode: number = problems.length > 0 ? EXIT.config : EXIT.done;
  const makeSafe = async (actuator: ActuatorConfig) => {
    try {
      const driven = drive(actuator, board, clock);
      io.stdout(`${actuator.id}: ${await withDeadline(clock, "the output", OUTPUT_DEADLINE_MS, driven)}\n`);
    } catch (error) {
      io.stderr(`fieldpost: ${actuator.id}: not safe: ${messageOf(error)}\n`);
      exitCode = EXIT.failed;
    }
  };
  // What is to be off goes first: what is to be on may be interlocked with it.
  const outputs = outputsOf(config);
  const staysOn = ({ kind, safe }: ActuatorConfig) => isOnFor(kind, safe);
  await Promise.all(outputs.filter((actuator) => !staysOn(actuator)).map(makeSafe));
  await Promise.all(outputs.filter(staysOn).map(makeSafe));
  await board.close();
  return exitCode;
}

/** Resolves with what the output is then. */
async function drive(
  { kind, options, safe }: ActuatorConfig,
  board: Board,
  clock: Clock,
): Promise<ActuatorValue> {
  // A movement that nobody would be left to end is not begun.
  const endsByItself = isOnFor(kind, safe) && kind.runsForMs?.(safe, options) !== undefined;
  const value = endsByItself ? (kind.off ?? "off") : safe;
  const output = await kind.open(board, options, value, { clock, onFailure: () => {}, onEnd: () => {} });
  await output.close();
  return value;
}
