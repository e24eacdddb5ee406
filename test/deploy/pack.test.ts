import { execFile, execFileSync, spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "fieldpost-pack-"));
const prefix = join(folder, "prefix");

/** Packs a copy: packing builds, and other tests read this checkout's bundle meanwhile. */
beforeAll(async () => {
  const copy = join(folder, "copy");
  const files = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
  });
  for (const file of files
    .toString()
    .split("\0")
    .filter((name) => name !== "" && name !== "node_modules")) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    cpSync(join(root, file), join(copy, file));
  }
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  await run("npm", ["pack", "--pack-destination", folder], { cwd: copy });
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz"))!;
  mkdirSync(prefix);
  writeFileSync(join(prefix, "package.json"), '{ "private": true, "type": "module" }\n');
  // Without the native parts, which need a compiler: a laptop that tries it out has none.
  const quiet = ["--no-audit", "--no-fund", "--prefer-offline", "--omit=optional"];
  await run("npm", ["install", "--prefix", prefix, ...quiet, join(folder, tarball)], { cwd: prefix });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the package of npm, in an empty folder", () => {
  test("runs the demo", async () => {
    const demo = spawn(
      join(prefix, "node_modules/.bin/fieldpost"),
      ["demo", "--cycles", "1", "--period", "6s"],
      { cwd: folder },
    );
    const said: Buffer[] = [];
    for (const stream of [demo.stdout, demo.stderr]) stream.on("data", (chunk: Buffer) => said.push(chunk));
    const exitCode = await new Promise((resolve) => demo.once("exit", resolve));
    expect(Buffer.concat(said).toString()).toMatch(/0 lost/);
    expect(exitCode).toBe(0);
  });

  test("is a library whose types a strict program compiles against", async () => {
    writeFileSync(
      join(prefix, "mine.ts"),
      `import { defineDriver, simulate, startNode } from "fieldpost";
export const driver = defineDriver({
  name: "mine",
  chip: "Mine",
  description: "a number",
  datasheet: "none",
  bus: "i2c",
  addresses: [0x18],
  fields: { temperature: { unit: "°C", precision: 1 } },
  options: {},
  async open(device) {
    return { read: async () => ({ temperature: (await device.exchange([0x05], 2))[0] ?? 0 }) };
  },
});
export const start: (config: string) => Promise<unknown> = (config) => startNode({ config, simulate: true });
const kinds: readonly string[] = [typeof driver, typeof simulate, typeof start];
console.log(kinds.join());
`,
    );
    const tsc = [
      join(root, "node_modules/typescript/bin/tsc"),
      "--strict",
      "--module",
      "nodenext",
      "--target",
      "es2023",
    ];
    const types = ["--typeRoots", join(root, "node_modules/@types"), "--types", "node"];
    const checked = run(process.execPath, [...tsc, ...types, "mine.ts"], { cwd: prefix });
    await expect(checked.catch((error) => Promise.reject(new Error(error.stdout)))).resolves.toMatchObject({
      stdout: "",
    });
    const { stdout } = await run(process.execPath, ["mine.js"], { cwd: prefix });
    expect(stdout).toBe("object,function,function\n");
  });
});
