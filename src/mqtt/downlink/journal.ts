import { crc32 } from "node:zlib";
import type { Log } from "../../log.ts";
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
  /**
   * To be awaited before the output moves. Rejects where the disk refuses, or where too many ids are kept: the id is then
   * not remembered. With `untilMs` (UTC, since the epoch) it is not forgotten before, however many come after it.
   */
  begin(id: string, untilMs?: number): Promise<void>;
  /** Rejects where the disk refuses: until the process ends the outcome is remembered all the same. */
  finish(id: string, outcome: CommandOutcome): Promise<void>;
  close(): Promise<void>;
}

export interface JournalOptions {
  readonly file: JournalFile;
  readonly log: Log;
  /** How many ids it remembers at least. Default: 1000. */
  readonly minIds?: number;
  /** The system clock; undefined while it cannot be trusted: nothing that is to be kept for a time is forgotten then. */
  readonly wallMs?: () => number | undefined;
}

const DEFAULT_MIN_IDS = 1_000;

/** Ids that are kept for a time, at most: who has a key to sign with cannot fill the memory either. */
const MAX_KEPT_IDS = 4_096;

/** The file is written anew when it holds this many lines per remembered id: a command takes two. */
const MAX_LINES_PER_ID = 4;

/** Longer texts are cut, so that the journal's size has a bound. */
const MAX_ERROR_CHARS = 256;

const INTERRUPTED: CommandOutcome = {
  status: "failed",
  error: "interrupted: the node stopped while it carried the command out",
};

type Memory = Map<string, CommandOutcome | "running">;
/** Until when an id is kept, UTC, milliseconds since the epoch. */
type Kept = Map<string, number>;

/**
 * Reads what the last run left. Damage costs the lines it hit and is logged; it never keeps the node from starting.
 *
 * The file is text, one line an event: 8 hex digits of the CRC-32 of the JSON after the space,
 * `{"id":"a1"}` when the command begins (with `"until"` where it is kept for a time), `{"id":"a1","status":"done","state":"on"}` when it ends.
 */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  const { file, log, minIds = DEFAULT_MIN_IDS, wallMs = () => undefined } = options;
  const loaded = await load(file, log);
  const { memory, kept } = loaded;
  let { lineCount, lineEnd } = loaded;
  // The file's end may hold bytes of unknown fate: the next write replaces the whole.
  let suspect = loaded.damaged;
  interrupt(memory);
  trim(memory, kept, minIds);
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
    if (!suspect && lineCount + batch.length <= Math.max(minIds, memory.size) * MAX_LINES_PER_ID) {
      await file.append(Buffer.from(lineEnd + batch.join("")));
      lineEnd = "";
      lineCount += batch.length;
      return;
    }
    const all = [...memory].map(([id, outcome]) => toLine(id, outcome, kept.get(id)));
    await file.replace(Buffer.from(all.join("")));
    suspect = false;
    lineEnd = "";
    lineCount = all.length;
  }

  function remember(id: string, outcome: CommandOutcome | "running"): void {
    memory.set(id, outcome);
    trim(memory, kept, minIds);
  }

  function expireKept(): void {
    const nowMs = wallMs();
    if (nowMs === undefined) return;
    for (const [id, untilMs] of kept) if (untilMs < nowMs) kept.delete(id);
  }

  return {
    outcome: (id) => memory.get(id),
    async begin(id, untilMs) {
      expireKept();
      if (untilMs !== undefined) {
        if (kept.size >= MAX_KEPT_IDS)
          throw new Error(`${MAX_KEPT_IDS} signed commands are remembered already`);
        kept.set(id, untilMs);
      }
      remember(id, "running");
      try {
        await write(toLine(id, "running", untilMs));
      } catch (error) {
        memory.delete(id);
        kept.delete(id);
        throw error;
      }
    },
    async finish(id, outcome) {
      const cut = { ...outcome, ...(outcome.error && { error: outcome.error.slice(0, MAX_ERROR_CHARS) }) };
      remember(id, cut);
      await write(toLine(id, cut, kept.get(id)));
    },
    async close() {
      await writing;
      await file.close();
    },
  };
}

interface Loaded {
  readonly memory: Memory;
  readonly kept: Kept;
  readonly lineCount: number;
  /** The file holds bytes that are not whole lines of the journal. */
  readonly damaged: boolean;
  /** What must stand before the next line. */
  readonly lineEnd: "" | "\n";
}

async function load(file: JournalFile, log: Log): Promise<Loaded> {
  const memory: Memory = new Map();
  const kept: Kept = new Map();
  const bytes = await file.read().catch((error: unknown) => {
    log.error("the command journal cannot be read: ids from before are not recognised", {
      error: String(error),
    });
    return undefined;
  });
  // What cannot be read now may be readable later: add to it, behind a line that may be torn.
  if (!bytes) return { memory, kept, lineCount: 0, damaged: false, lineEnd: "\n" };
  const lines = Buffer.from(bytes).toString("utf8").split("\n");
  // What follows the last line end is empty, or the torn tail that a power cut leaves: normal.
  const tail = lines.pop();
  const broken = lines.filter((line) => !replay(line, memory, kept)).length;
  if (broken > 0) log.warn("lines of the command journal are damaged and forgotten", { lines: broken });
  return { memory, kept, lineCount: lines.length, damaged: broken > 0 || tail !== "", lineEnd: "" };
}

/** Whether the line was whole. */
function replay(line: string, memory: Memory, kept: Kept): boolean {
  if (line === "") return true;
  const json = line.slice(9);
  if (line.slice(0, 9) !== `${checksum(json)} `) return false;
  try {
    const { id, until, ...outcome } = JSON.parse(json) as {
      id: string;
      until?: number;
    } & Partial<CommandOutcome>;
    if (until !== undefined) kept.set(id, until);
    memory.set(id, outcome.status === undefined ? "running" : (outcome as CommandOutcome));
    return true;
  } catch {
    return false;
  }
}

function toLine(id: string, outcome: CommandOutcome | "running", until: number | undefined): string {
  const json = JSON.stringify({ id, until, ...(outcome !== "running" && outcome) });
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
function trim(memory: Memory, kept: Kept, maxIds: number): void {
  for (const refusalsOnly of [true, false]) {
    for (const [id, outcome] of memory) {
      if (memory.size - kept.size <= maxIds) return;
      if (kept.has(id)) continue;
      if (!refusalsOnly || isRefusal(outcome)) memory.delete(id);
    }
  }
}

function isRefusal(outcome: CommandOutcome | "running"): boolean {
  return outcome !== "running" && (outcome.status === "rejected" || outcome.status === "expired");
}
