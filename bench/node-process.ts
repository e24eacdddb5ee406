import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { undoAtExit } from "./scratch.ts";

/** A process of the bench's own, killed when the bench ends. */
export interface OwnProcess {
  readonly pid: number;
  /** Rejects with what the process said on stderr, where it ends by itself while `work` goes on. */
  during<T>(work: Promise<T>): Promise<T>;
  /** Asks it to end, and resolves when it has. */
  end(): Promise<void>;
}

/** Runs a JavaScript program in a Node process of its own. */
export function startNode(args: readonly string[], env: Readonly<Record<string, string>> = {}): OwnProcess {
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, ...env },
  });
  const forget = undoAtExit(() => void child.kill("SIGKILL"));
  const stderr = collect(child);
  const exited = once(child, "exit");
  const endedEarly = exited.then(([code]) => {
    throw new Error(`node ${args.join(" ")} ended with ${code}:\n${stderr()}`);
  });
  endedEarly.catch(() => {});
  return {
    pid: child.pid!,
    during: (work) => Promise.race([work, endedEarly]),
    async end() {
      child.kill("SIGTERM");
      await exited;
      forget();
    },
  };
}

/** Runs a JavaScript program to its end; resolves with what it printed. */
export async function runNode(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  const forget = undoAtExit(() => void child.kill("SIGKILL"));
  const stderr = collect(child);
  let stdout = "";
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk;
  });
  const [code] = await once(child, "close");
  forget();
  if (code !== 0) throw new Error(`node ${args.join(" ")} ended with ${code}:\n${stderr()}`);
  return stdout;
}

function collect({ stderr }: ChildProcess): () => string {
  let text = "";
  stderr?.on("data", (chunk: Buffer) => {
    text += chunk;
  });
  return () => text;
}
