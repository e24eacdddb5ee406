import { createReadStream, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { unreadable } from "../config/files.ts";
import {
  type ConfigSources,
  type LoadResult,
  loadConfig,
  loadOutputs,
  type Outputs,
} from "../config/load.ts";
import type { MachineNames } from "../config/substitute.ts";
import { MAX_FILE_BYTES } from "../config/yaml.ts";
import { withDeadline } from "../device/clock.ts";
import { linuxClock } from "../device/linux/clock.ts";
import { linuxHost } from "../device/linux/host.ts";
import { textFiles } from "../device/linux/text-files.ts";

/** A driver's file that waits for something while it is loaded must not keep the node from saying so. */
const IMPORT_MS = 10_000;

export interface ConfigFileOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The folder that a relative `file` starts from. */
  readonly cwd: string;
  readonly machine?: MachineNames | undefined;
  /** Reads what the configuration names. Default: the files of this machine. */
  readonly readFile?: (path: string) => string;
}

/** Reads a configuration file of this machine. Rejects, with an error for people, where the file cannot be read. */
export async function readConfigFile(file: string, options: ConfigFileOptions): Promise<LoadResult> {
  return readWith(loadConfig, file, options);
}

/** Reads the outputs of a configuration file, whatever else is wrong with it. Rejects as {@link readConfigFile} does. */
export async function readOutputsFile(file: string, options: ConfigFileOptions): Promise<Outputs> {
  return readWith(loadOutputs, file, options);
}

async function readWith<R>(
  load: (text: string, sources: ConfigSources) => Promise<R>,
  file: string,
  { env, cwd, machine = thisMachine(), readFile = (path) => readFileSync(path, "utf8") }: ConfigFileOptions,
): Promise<R> {
  const clock = linuxClock();
  const path = resolve(cwd, file);
  const text = await readBounded(path).catch((error: unknown) => {
    throw new Error(`${unreadable(file, error)}. "fieldpost init" writes a starter configuration.`, {
      cause: error,
    });
  });
  return load(text, {
    file,
    dir: dirname(path),
    env,
    machine,
    readFile,
    importDriver: (path) =>
      withDeadline(clock, `loading ${path}`, IMPORT_MS, import(pathToFileURL(path).href)),
  });
}

/** Reads one byte more than is allowed at most: enough to see that the file is too large, whatever it is. */
async function readBounded(path: string): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of createReadStream(path, { end: MAX_FILE_BYTES })) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

function thisMachine(): MachineNames {
  const { serial, hostname, machineId } = linuxHost({ files: textFiles() });
  return { serial, hostname, machineId };
}
