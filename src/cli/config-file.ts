import { readFileSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { unreadable } from "../config/files.ts";
import { type LoadResult, loadConfig } from "../config/load.ts";
import type { MachineNames } from "../config/substitute.ts";
import { MAX_FILE_BYTES } from "../config/yaml.ts";
import { linuxHost } from "../device/linux/host.ts";
import { textFiles } from "../device/linux/text-files.ts";
import { CliError, EXIT } from "./exit.ts";
import type { CliIo } from "./io.ts";

/** Reads a configuration file of this machine. Throws a {@link CliError} where the file itself cannot be read. */
export async function loadConfigFile(
  file: string,
  { env, cwd }: Pick<CliIo, "env" | "cwd">,
  machine: MachineNames = thisMachine(),
): Promise<LoadResult> {
  const path = resolve(cwd, file);
  const text = await readBounded(path).catch((error: unknown) => {
    throw new CliError(
      EXIT.config,
      `${unreadable(file, error)}. "fieldpost init" writes a starter configuration.`,
    );
  });
  return loadConfig(text, {
    file,
    dir: dirname(path),
    env,
    machine,
    readFile: (path) => readFileSync(path, "utf8"),
    importDriver: (path) => import(pathToFileURL(path).href),
  });
}

/** Never more than what is needed to see that the file is too large. */
async function readBounded(path: string): Promise<string> {
  const { size } = await stat(path);
  return size > MAX_FILE_BYTES ? "#".repeat(MAX_FILE_BYTES + 1) : await readFile(path, "utf8");
}

function thisMachine(): MachineNames {
  const { serial, hostname, machineId } = linuxHost({ files: textFiles() });
  return { serial, hostname, machineId };
}
