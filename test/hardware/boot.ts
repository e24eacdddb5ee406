import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What a guest is made of. */
export interface Machine {
  /** The folder that build-kernel.sh printed. */
  readonly kernel: string;
  /** The script guest/init.sh. */
  readonly init: string;
}

export interface GuestJob {
  /** Shell commands that the guest's root runs; their last status is the guest's. `$KERNEL` holds the modules. */
  readonly script: string;
  /** Files beside the job, by name: `/mnt/results/NAME` in the guest. */
  readonly files?: Readonly<Record<string, string>>;
  /** The guest's `/dev/ubda`. */
  readonly disk?: Disk;
  /** Further words of the kernel's command line. */
  readonly kernelArguments?: readonly string[];
  /** After this long the guest is killed. Default: a minute. */
  readonly limitMs?: number;
}

export interface Disk {
  /** A file of the host. */
  readonly image: string;
  /** What is written stays in the disk's memory until it is flushed. Absent: a write is on the disk at once. */
  readonly writeCache?: WriteCache;
}

export interface WriteCache {
  /** Percentage of writes that reach the disk before they are flushed, and out of order. */
  readonly earlyPercent: number;
  readonly seed: number;
  /** A disk that says it has flushed, and has not. */
  readonly lies?: boolean;
}

/** A running kernel. */
export interface Guest {
  /** The host's side of `/mnt/results`. */
  readonly folder: string;
  /** What the guest printed so far. */
  printed(): string;
  /** Resolves when the guest has printed a line that matches; rejects when it ends without. */
  line(pattern: RegExp): Promise<RegExpExecArray>;
  /** Kills the kernel with all that runs in it, at once. */
  cutPower(): Promise<void>;
  /** Resolves with the status of the job's script; undefined where it did not come to its end. */
  readonly ended: Promise<number | undefined>;
  /** Removes the folder. */
  remove(): Promise<void>;
}

/** Boots a guest with a job. It runs the programs of the host's own file system, which it cannot change. */
export async function boot(machine: Machine, job: GuestJob): Promise<Guest> {
  const { kernel } = machine;
  const folder = await mkdtemp(join(tmpdir(), "fieldpost-guest-"));
  const results = join(folder, "results");
  await mkdir(results);
  for (const [name, text] of Object.entries({ ...job.files, "job.sh": job.script })) {
    await writeFile(join(results, name), text);
  }
  const process = spawn(join(kernel, "linux"), kernelArguments(job, machine, folder, results), {
    stdio: ["ignore", "pipe", "pipe"],
    // A process group of its own: each program in the guest is a process of the host.
    detached: true,
    env: {
      PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
      TMPDIR: tmpdir(),
      ...writeCacheEnvironment(job.disk, kernel),
    },
  });
  const output = followOutput(process, join(folder, "console"));
  const kill = () => killGroup(process);
  globalThis.process.once("exit", kill);
  const limit = setTimeout(kill, job.limitMs ?? 60_000);
  const ended = output.closed.then(async () => {
    clearTimeout(limit);
    globalThis.process.off("exit", kill);
    kill();
    const status = await readFile(join(results, "exit"), "utf8").catch(() => "");
    return status === "" ? undefined : Number(status);
  });
  return {
    folder: results,
    printed: output.text,
    line: output.line,
    async cutPower() {
      kill();
      await ended;
    },
    ended,
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

function kernelArguments(
  job: GuestJob,
  { kernel, init }: Machine,
  folder: string,
  results: string,
): string[] {
  return [
    "mem=256M",
    `uml_dir=${folder}`,
    "umid=guest",
    "rootfstype=hostfs",
    "ro",
    `init=${init}`,
    // The console is a pipe; the other terminals are nothing.
    "con=null",
    "con0=fd:0,fd:1",
    "quiet",
    // A reset ends the guest instead of booting it again.
    "noreboot",
    ...(job.disk ? [`ubd0=${job.disk.image}`] : []),
    ...(job.kernelArguments ?? []),
    // Words that the kernel does not know are init's environment.
    `RESULTS=${results}`,
    `KERNEL=${kernel}`,
  ];
}

function writeCacheEnvironment(disk: Disk | undefined, kernel: string): Record<string, string> {
  if (!disk?.writeCache) return {};
  const { earlyPercent, seed, lies = false } = disk.writeCache;
  return {
    LD_PRELOAD: join(kernel, "wcache.so"),
    WCACHE_DISK: disk.image,
    WCACHE_EARLY: String(earlyPercent),
    WCACHE_SEED: String(seed),
    ...(lies && { WCACHE_LIES: "1" }),
  };
}

function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // All of it has ended.
  }
}

function followOutput(process: ChildProcess, file: string) {
  const copy = createWriteStream(file);
  let text = "";
  let open = true;
  let heard = () => {};
  for (const stream of [process.stdout!, process.stderr!]) {
    stream.on("data", (chunk: Buffer) => {
      text += chunk;
      copy.write(chunk);
      heard();
    });
  }
  const closed = new Promise<void>((resolve, reject) => {
    process.once("error", reject);
    process.once("close", () => {
      open = false;
      copy.end(resolve);
      heard();
    });
  });
  return {
    text: () => text,
    closed,
    async line(pattern: RegExp): Promise<RegExpExecArray> {
      const whole = new RegExp(pattern.source, `${pattern.flags}m`);
      for (;;) {
        const match = whole.exec(text);
        if (match) return match;
        if (!open) throw new Error(`the guest ended without printing ${pattern}:\n${text}`);
        await new Promise<void>((resolve) => {
          heard = resolve;
        });
      }
    },
  };
}
