import type { Config } from "../config/config.ts";
import type { LoadResult, Outputs } from "../config/load.ts";
import { formatProblem, type Problem } from "../config/problem.ts";
import { type ConfigFileOptions, readConfigFile, readOutputsFile } from "../node/config-file.ts";
import { CliError, EXIT } from "./exit.ts";
import { type CliIo, wantsColor } from "./io.ts";

/** Where a node's configuration is on a device (contract, section 6). */
export const DEFAULT_CONFIG = "/etc/fieldpost/fieldpost.yaml";

/** Reads a configuration file of this machine. Throws a {@link CliError} where the file itself cannot be read. */
export async function loadConfigFile(file: string, options: ConfigFileOptions): Promise<LoadResult> {
  return readConfigFile(file, options).catch((error: Error) => {
    throw new CliError(EXIT.config, error.message, { cause: error });
  });
}

/** The outputs of a configuration file, whatever else is wrong with it. Throws as {@link loadConfigFile} does. */
export async function loadOutputsFile(file: string, options: ConfigFileOptions): Promise<Outputs> {
  return readOutputsFile(file, options).catch((error: Error) => {
    throw new CliError(EXIT.config, error.message, { cause: error });
  });
}

/** Everything that is wrong, and how much that is, on stderr. What every command says of a wrong configuration. */
export function showProblems(problems: readonly Problem[], file: string, io: CliIo): void {
  const color = wantsColor(io);
  for (const problem of problems) io.stderr(`${formatProblem(problem, { color })}\n`);
  io.stderr(`${file}: ${problems.length} ${problems.length === 1 ? "error" : "errors"}\n`);
}

/** The configuration with its warnings shown; undefined where it is wrong, and then stderr has said how. */
export async function loadOrExplain(file: string, io: CliIo): Promise<Config | undefined> {
  const result = await loadConfigFile(file, io);
  if (!result.ok) {
    showProblems(result.problems, file, io);
    return undefined;
  }
  const color = wantsColor(io);
  for (const warning of result.warnings)
    io.stderr(`${formatProblem(warning, { color, severity: "warning" })}\n`);
  return result.config;
}
