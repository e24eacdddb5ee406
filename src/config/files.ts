import { isAbsolute, join } from "node:path";
import type { Config } from "./config.ts";
import { type Finding, wrongValue } from "./finding.ts";
import type { Sections } from "./sections.ts";

const TLS_FILES = ["ca", "cert", "key"] as const;

/** The files that the broker settings name can be read. */
export function checkFiles(
  mqtt: Sections["mqtt"] | undefined,
  { dir, readFile }: { readonly dir: string; readonly readFile: (path: string) => string },
): Finding[] {
  return TLS_FILES.flatMap((key) => {
    const path = mqtt?.tls?.[key];
    if (path === undefined) return [];
    try {
      readFile(pathFrom(dir, path));
      return [];
    } catch (error) {
      return [wrongValue(["mqtt", "tls", key], unreadable(path, error))];
    }
  });
}

/** The same configuration with every path starting from the configuration's folder. */
export function withPathsFrom(dir: string, config: Config): Config {
  const { tls, ...mqtt } = config.mqtt;
  const files = Object.fromEntries(
    TLS_FILES.flatMap((key) => (tls?.[key] === undefined ? [] : [[key, pathFrom(dir, tls[key])]])),
  );
  return {
    ...config,
    mqtt: { ...mqtt, ...(tls ? { tls: { ...tls, ...files } } : {}) },
    buffer: {
      ...config.buffer,
      path: pathFrom(dir, config.buffer.path),
      ...(config.buffer.tail !== undefined && { tail: pathFrom(dir, config.buffer.tail) }),
    },
  };
}

export function pathFrom(dir: string, path: string): string {
  return isAbsolute(path) ? path : join(dir, path);
}

/** Says for people why a file could not be read. */
export function unreadable(path: string, error: unknown): string {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: "it does not exist",
    EACCES: "this user may not read it",
    EPERM: "this user may not read it",
    EISDIR: "it is a folder",
    ENOTDIR: "a part of its path is not a folder",
  };
  return `cannot read ${path}: ${reasons[code ?? ""] ?? code ?? "unknown error"}`;
}
