import * as v from "valibot";
import { type LoadResult, loadConfig } from "../../src/config/load.ts";
import { formatProblem } from "../../src/config/problem.ts";
import { defineDriver } from "../../src/sensors/driver.ts";

/** Longer than what a message repeats of a value. */
export const SECRET = "correct horse battery staple, correct horse battery staple";

const files: Readonly<Record<string, string | undefined>> = {
  "/run/secret": `${SECRET}\n`,
  "/etc/fieldpost/ca.pem": "-----BEGIN CERTIFICATE-----",
};

function fail(code: string): never {
  throw Object.assign(new Error(`${code}: somewhere`), { code });
}

const codes: Readonly<Record<string, string>> = {
  "/etc/fieldpost/locked.pem": "EACCES",
  "/etc/fieldpost/folder": "EISDIR",
};

export const myChip = defineDriver({
  name: "my_chip",
  chip: "Mine",
  description: "A chip of a user's own",
  datasheet: "none",
  bus: "i2c",
  addresses: [0x20],
  fields: { level: { unit: "mm", precision: 0 } },
  options: { gain: v.optional(v.number(), 2) },
  open: async () => ({ read: async () => ({ level: 1 }) }),
});

const modules: Readonly<Record<string, unknown>> = {
  "/etc/fieldpost/my-chip.js": { default: myChip },
  "/etc/fieldpost/empty.js": {},
  "/etc/fieldpost/shadow.js": { default: { ...myChip, options: { interval: v.number() } } },
};

/** Reads a configuration as on a machine that has a few files, variables and driver files. */
export function read(text: string, env: Record<string, string> = {}): Promise<LoadResult> {
  return loadConfig(text, {
    file: "fieldpost.yaml",
    dir: "/etc/fieldpost",
    env: { TOKEN: SECRET, LEVEL: "1", ...env },
    machine: { serial: "10000000abcdef01", hostname: "pi", machineId: undefined },
    readFile: (path) => files[path] ?? fail(codes[path] ?? "ENOENT"),
    importDriver: async (path) => modules[path] ?? fail("ERR_MODULE_NOT_FOUND"),
  });
}

/** What a person is told of a wrong configuration; empty for a right one. */
export async function complaints(text: string, env?: Record<string, string>): Promise<string> {
  const result = await read(text, env);
  return result.ok ? "" : result.problems.map((problem) => formatProblem(problem)).join("\n");
}

/** The configuration, or an error that says what is wrong with it. */
export async function readRight(text: string, env?: Record<string, string>) {
  const result = await read(text, env);
  if (!result.ok) throw new Error(result.problems.map((problem) => formatProblem(problem)).join("\n"));
  return result;
}
