import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { test } from "vitest";
import { bootGuest, type GuestJob } from "./guest.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/**
 * Inside node_modules, so that what stays outside a bundle (native modules) is found from there; and as deep as
 * `test/process`, so that what is bundled from there finds `dist` at the same place.
 */
const BUNDLES = join(ROOT, "node_modules", ".fieldpost-hardware");

interface Outcome {
  readonly name: string;
  /** Absent: it passed. */
  readonly failure?: string;
}

/** Runs a file of `guest/`, written for `node:test`, in a guest; each of its tests becomes one of vitest's. */
export async function guestSuite(file: string, job: Partial<GuestJob> = {}): Promise<void> {
  const [suite, reporter] = await bundle(file, "reporter.ts");
  const guest = await bootGuest({
    ...job,
    script: `${job.script ?? ""}
      exec ${process.execPath} --test-reporter=${reporter} --test-reporter-destination=/mnt/results/tests.jsonl ${suite}`,
  });
  const status = await guest.ended;
  const outcomes = await readOutcomes(join(guest.folder, "tests.jsonl"));
  const failed = outcomes.some(({ failure }) => failure !== undefined);
  for (const { name, failure } of outcomes) {
    test(name, () => {
      if (failure !== undefined) throw new Error(failure);
    });
  }
  if (status !== 0 && !failed) {
    throw new Error(`the guest ended with status ${status ?? "unknown"}:\n${guest.printed()}`);
  }
  if (outcomes.length === 0) throw new Error(`${file} ran no test:\n${guest.printed()}`);
  await guest.remove();
}

/** Each file of `guest/` as one file that the guest's Node runs. */
export async function bundle(...files: readonly string[]): Promise<string[]> {
  await build({
    absWorkingDir: ROOT,
    entryPoints: files.map((file) => join("test/hardware/guest", file)),
    outdir: BUNDLES,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    packages: "external",
    platform: "node",
    target: "node20",
    format: "esm",
    sourcemap: "inline",
    logLevel: "warning",
  });
  return files.map((file) => join(BUNDLES, `${basename(file, ".ts")}.mjs`));
}

async function readOutcomes(file: string): Promise<readonly Outcome[]> {
  const text = await readFile(file, "utf8").catch(() => "");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Outcome);
}
