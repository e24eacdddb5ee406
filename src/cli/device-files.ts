import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, isAbsolute, join, relative, resolve } from "node:path";
import type { Config } from "../config/config.ts";
import type { FirstBoot } from "../deploy/first-boot.ts";
import { loadConfigFile, showProblems } from "./config-file.ts";
import { CliError, EXIT, wrongUsage } from "./exit.ts";
import type { CliIo } from "./io.ts";

const CREDENTIALS = "/run/credentials/fieldpost.service/";
const SECRET_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

/** `NAME=FILE`, several times. */
export function readSecrets(given: readonly string[], cwd: string): ReadonlyMap<string, Uint8Array> {
  return new Map(
    given.map((text) => {
      const at = text.indexOf("=");
      const name = text.slice(0, at);
      if (at < 0 || !SECRET_NAME.test(name)) throw wrongUsage(`--secret ${text}: expected NAME=FILE`);
      return [name, readOrExplain(resolve(cwd, text.slice(at + 1)))];
    }),
  );
}

/** The configuration as the device will read it: what systemd hands over there is taken from --secret here. */
export async function loadForDevice(
  file: string,
  secrets: ReadonlyMap<string, Uint8Array>,
  io: CliIo,
): Promise<Config | undefined> {
  const result = await loadConfigFile(file, {
    env: io.env,
    cwd: io.cwd,
    readFile(path) {
      if (!path.startsWith(CREDENTIALS)) return readFileSync(path, "utf8");
      const name = path.slice(CREDENTIALS.length);
      const secret = secrets.get(name);
      if (secret) return Buffer.from(secret).toString("utf8");
      // Stands where the system's reason would: "cannot read PATH: give it with ...".
      throw Object.assign(new Error("no such secret"), { code: `give it with --secret ${name}=FILE` });
    },
  });
  if (result.ok) return result.config;
  showProblems(result.problems, file, io);
  return undefined;
}

/** The configuration and the certificates that it names beside it. */
export function configFiles(config: Config, file: string): ReadonlyMap<string, Uint8Array> {
  const files = new Map<string, Uint8Array>([["fieldpost.yaml", readOrExplain(file)]]);
  const { ca, cert, key } = config.mqtt.tls ?? {};
  for (const path of [ca, cert, key]) {
    if (path === undefined) continue;
    const name = relative(dirname(file), path);
    // An absolute path names a file of the device's own.
    if (isAbsolute(name) || name.startsWith("..")) continue;
    if (name.includes("/") || name.includes("\\"))
      throw new CliError(EXIT.config, `${file}: ${name}: put it beside the configuration, not into a folder`);
    files.set(name, readOrExplain(path));
  }
  return files;
}

export function readPackage(file: string, cwd: string): FirstBoot["package"] {
  const path = resolve(cwd, file);
  if (!/^[\w.+~-]+\.deb$/.test(basename(path))) throw wrongUsage(`--package ${file}: expected a .deb`);
  return { name: basename(path), bytes: readOrExplain(path) };
}

/** The newest package that lies here or in packages/. */
export function findPackage(cwd: string, prefix: string, architecture: string): string | undefined {
  const found = [cwd, join(cwd, "packages")].flatMap((folder) =>
    existsSync(folder)
      ? readdirSync(folder)
          .filter((file) => file.startsWith(prefix) && file.endsWith(`_${architecture}.deb`))
          .map((file) => join(folder, file))
      : [],
  );
  return found.sort((one, other) => statSync(other).mtimeMs - statSync(one).mtimeMs)[0];
}

export function readOrExplain(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new CliError(EXIT.failed, `cannot read ${file}: ${(error as NodeJS.ErrnoException).code}`, {
      cause: error,
    });
  }
}
