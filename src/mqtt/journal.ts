import { crc32 } from "node:zlib";
import type { Log } from "../log.ts";
import type { CommandOutcome } from "./judge.ts";

/** The one file that the journal lives in. */
export interface JournalFile {
  /** All of it; empty where there is none yet. */
  read(): Promise<Uint8Array>;
  /** Adds to its end; the bytes survive a power cut once this resolves. */
  append(bytes: Uint8Array): Promise<void>;
  /** Puts `bytes` in the place of everything, in one step that a power cut cannot tear. */
  replace(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** Remembers the ids of commands and what became of them across restarts and power cuts. */
export interface Journal {
  /** What became of a command; undefined where its id is new or has been forgotten. */
  outcome(id: string): CommandOutcome | "running" | undefined;
  /** To be awaited before the output moves. Rejects where the disk refuses: the id is then not remembered. */
  begin(id: string): Promise<void>;
  /** Rejects where the disk refuses: until the process ends the outcome is remembered all the same. */
  finish(id: string, outcome: CommandOutcome): Promise<void>;
  close(): Promise<void>;
}

export interface JournalOptions {
  readonly file: JournalFile;
  readonly log: Log;
  /** How many ids it remembers at least. Default: 1000. */
  readonly minIds?: number;
}

const DEFAULT_MIN_IDS = 1_000;

/** The file is written anew when it holds this many lines per remembered id: a command takes two. */
const MAX_LINES_PER_ID = 4;

/** Longer texts are cut, so that the journal's size has a bound. */
const MAX_ERROR_CHARS = 256;

const INTERRUPTED: CommandOutcome = {
  status: "failed",
  error: "interrupted: the node stopped while it carried the command out",
};

type Memory = Map<string, CommandOutcome | "running">;

/**
 * Reads what the last run left. Damage costs the lines it hit and is logged; it never keeps the node from starting.
 *
 * The file is text, one line an event: 8 hex digits of the CRC-32 of the JSON after the space,
 * `{"id":"a1"}` when the command begins, `{"id":"a1","status":"done","state":"on"}` when it ends.
 */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  const { file, log, minIds = DEFAULT_MIN_IDS } = options;
  const loaded = await load(file, log);
  const { memory } = loaded;
  let { lineCount, lineEnd } = loaded;
  // The file's end may hold bytes of unknown fate: the next write replaces the whole.
  let suspect = loaded.damaged;
  interrupt(memory);
  trim(memory, minIds);
  let waiting: { readonly line: string; done(): void; failed(error: unknown): void }[] = [];
  let writing: Promise<void> | undefined;

  /** Lines that come while the disk is busy share the next write. */
  function write(line: string): Promise<void> {
    return new Promise((done, failed) => {
      waiting.push({ line, done, failed });
      writing ??= writeAll();
    });
  }

  async function writeAll(): Promise<void> {
    await Promise.resolve();
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      try {
        await commit(batch.map(({ line }) => line));
        for (const { done } of batch) done();
      } catch (error) {
        suspect = true;
        for (const { failed } of batch) failed(error);
      }
    }
    writing = undefined;
  }

  async function commit(batch: readonly string[]): Promise<void> {
    if (!suspect && lineCount + batch.length <= minIds * MAX_LINES_PER_ID) {
      await file.append(Buffer.from(lineEnd + batch.join("")));
      lineEnd = "";
      lineCount += batch.length;
      return;
    }
    const all = [...memory].map(([id, outcome]) => toLine(id, outcome));
    await file.replace(Buffer.from(all.join("")));
    suspect = false;
    lineEnd = "";
    lineCount = all.length;
  }

  function remember(id: string, outcome: CommandOutcome | "running"): void {
    memory.set(id, outcome);
    trim(memory, minIds);
  }

  return {
    outcome: (id) => memory.get(id),
    async begin(id) {
      remember(id, "running");
      try {
        await write(toLine(id, "running"));
      } catch (error) {
        memory.delete(id);
        throw error;
      }
    },
    async finish(id, outcome) {
      const kept = { ...outcome, ...(outcome.error && { error: outcome.error.slice(0, MAX_ERROR_CHARS) }) };
      remember(id, kept);
      await write(toLine(id, kept));
    },
    async close() {
      await writing;
      await file.close();
    },
  };
}

interface Loaded {
  readonly memory: Memory;
  readonly lineCount: number;
  /** The file holds bytes that are not whole lines of the journal. */
  readonly damaged: boolean;
  /** What must stand before the next line. */
  readonly lineEnd: "" | "\n";
}

async function load(file: JournalFile, log: Log): Promise<Loaded> {
  const memory: Memory = new Map();
  const bytes = await file.read().catch((error: unknown) => {
    log.error("the command journal cannot be read: ids from before are not recognised", {
      error: String(error),
    });
    return undefined;
  });
  // What cannot be read now may be readable later: add to it, behind a line that may be torn.
  if (!bytes) return { memory, lineCount: 0, damaged: false, lineEnd: "\n" };
  const lines = Buffer.from(bytes).toString("utf8").split("\n");
  // What follows the last line end is empty, or the torn tail that a power cut leaves: normal.
  const tail = lines.pop();
  const broken = lines.filter((line) => !replay(line, memory)).length;
  if (broken > 0) log.warn("lines of the command journal are damaged and forgotten", { lines: broken });
  return { memory, lineCount: lines.length, damaged: broken > 0 || tail !== "", lineEnd: "" };
}

/** Whether the line was whole. */
function replay(line: string, memory: Memory): boolean {
  if (line === "") return true;
  const json = line.slice(9);
  if (line.slice(0, 9) !== `${checksum(json)} `) return false;
  try {
    const { id, ...outcome } = JSON.parse(json) as { id: string } & Partial<CommandOutcome>;
    memory.set(id, outcome.status === undefined ? "running" : (outcome as CommandOutcome));
    return true;
  } catch {
    return false;
  }
}

function toLine(id: string, outcome: CommandOutcome | "running"): string {
  const json = JSON.stringify(outcome === "running" ? { id } : { id, ...outcome });
  return `${checksum(json)} ${json}\n`;
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, "0");
}

/** A process that died between beginning and end leaves nobody who knows whether the output moved. */
function interrupt(memory: Memory): void {
  for (const [id, outcome] of memory) if (outcome === "running") memory.set(id, INTERRUPTED);
}

/**
 * Forgets the oldest, refusals before what was carried out: a flood of nonsense must not make the node do again what it
 * has done. A map keeps the order in which its keys first came.
 */
function trim(memory: Memory, maxIds: number): void {
  for (const refusalsOnly of [true, false]) {
    for (const [id, outcome] of memory) {
      if (memory.size <= maxIds) return;
      if (!refusalsOnly || isRefusal(outcome)) memory.delete(id);
    }
  }
}

function isRefusal(outcome: CommandOutcome | "running"): boolean {
  return outcome !== "running" && (outcome.status === "rejected" || outcome.status === "expired");
}
