import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const bundlePath = fileURLToPath(new URL("../../dist/fieldpost.js", import.meta.url));

/** The built bundle running as its own process. */
export interface BundleProcess {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Sends a signal and resolves with how the process ended. */
  end(signal: NodeJS.Signals): Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Resolves when stdout or stderr has come to contain the text. */
  printed(text: string, timeoutMs?: number): Promise<void>;
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

export function startBundle(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): BundleProcess {
  const child = spawn(process.execPath, [bundlePath, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (data) => {
    stdout += data;
  });
  child.stderr.on("data", (data) => {
    stderr += data;
  });
  const exited = once(child, "close").then(([code, signal]) => ({ code, signal }));
  return {
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    exited,
    end(signal) {
      child.kill(signal);
      return exited;
    },
    async printed(text, timeoutMs = 30_000) {
      const deadlineMs = Date.now() + timeoutMs;
      while (!stdout.includes(text) && !stderr.includes(text)) {
        if (child.exitCode !== null)
          throw new Error(`the bundle ended before it printed "${text}":\n${stdout}${stderr}`);
        if (Date.now() > deadlineMs)
          throw new Error(`the bundle did not print "${text}":\n${stdout}${stderr}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
  };
}

/** A temporary folder with a configuration in it. */
export async function configFolder(
  yaml: string,
): Promise<{ folder: string; file: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "fieldpost-"));
  const file = join(folder, "fieldpost.yaml");
  await writeFile(file, yaml.replaceAll("FOLDER", folder));
  return { folder, file, remove: () => rm(folder, { recursive: true, force: true }) };
}
