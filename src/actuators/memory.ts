import type { Clock } from "../device/clock.ts";
import type { Log } from "../log.ts";
import type { UsageRecord } from "./budget.ts";
import type { ActuatorValue } from "./kind.ts";

/** A small text that is replaced as a whole. */
export interface MemoryFile {
  /** Undefined where there is none yet. */
  read(): Promise<string | undefined>;
  /** Puts `text` in the place of what was there, so that a reader sees one or the other and never a mixture. */
  replace(text: string): Promise<void>;
}

/** What the next process must know of an actuator. */
export interface Remembered {
  /** What it was last told, other than by a start or a stop. */
  readonly last?: ActuatorValue;
  /** Monotonic time at which it went on; absent where it was not left on, or in another boot of the kernel. */
  readonly onSinceMs?: number;
  /** It was on for a time only; at which monotonic time that ends, unless that was in another boot. */
  readonly lease?: { readonly untilMs?: number };
  readonly usage?: UsageRecord;
}

/**
 * What outlives the process, so that restarting the node gives no output more time. Monotonic times compare only within
 * one boot of the kernel; after a new boot the outputs have been off anyway.
 */
export interface Memory {
  of(id: string): Remembered;
  /** Never rejects, and takes no longer than a deadline: a disk that refuses is logged. */
  keep(id: string, remembered: Remembered): Promise<void>;
}

/** A disk may be slow. An output that is to move waits for it this long. */
const DISK_DEADLINE_MS = 1_000;

export async function openMemory(file: MemoryFile, clock: Clock, log: Log): Promise<Memory> {
  const all = await read(file, clock.bootId, log);
  let writing: Promise<void> | undefined;
  let next: Promise<void> | undefined;

  async function write(): Promise<void> {
    next = undefined;
    const text = JSON.stringify({ boot: clock.bootId, actuators: Object.fromEntries(all) });
    await file
      .replace(text)
      .catch((error: unknown) =>
        log.warn("cannot remember what actuators have been told", { error: String(error) }),
      );
  }

  /** Everything that is asked for while a write is under way goes into the next. */
  function written(): Promise<void> {
    next ??= (writing ?? Promise.resolve()).then(() => {
      writing = write();
      return writing;
    });
    return next;
  }

  async function inTime(work: Promise<void>): Promise<void> {
    const timer = new AbortController();
    await Promise.race([work, clock.sleep(DISK_DEADLINE_MS, timer.signal)]);
    timer.abort("settled");
  }

  return {
    of: (id) => all.get(id) ?? {},
    async keep(id, remembered) {
      if (JSON.stringify(all.get(id) ?? {}) === JSON.stringify(remembered)) return;
      all.set(id, remembered);
      await inTime(written());
    },
  };
}

async function read(file: MemoryFile, bootId: string, log: Log): Promise<Map<string, Remembered>> {
  try {
    const text = await file.read();
    if (text === undefined) return new Map();
    const { boot, actuators } = JSON.parse(text) as { boot?: unknown; actuators?: unknown };
    const entries = Object.entries((actuators ?? {}) as Record<string, unknown>);
    return new Map(entries.map(([id, entry]) => [id, understood(entry, boot === bootId)]));
  } catch (error) {
    log.warn("cannot tell what actuators were told before the restart", { error: String(error) });
    return new Map();
  }
}

/** What can be used of an entry that somebody may have changed. */
function understood(entry: unknown, sameBoot: boolean): Remembered {
  const { last, onSinceMs, lease, usage } = (entry ?? {}) as Partial<Record<keyof Remembered, unknown>>;
  const untilMs = (lease as { untilMs?: unknown } | null | undefined)?.untilMs;
  return {
    ...((typeof last === "string" || isTime(last)) && { last: last as ActuatorValue }),
    ...(sameBoot && isTime(onSinceMs) && { onSinceMs }),
    ...(lease !== undefined && { lease: sameBoot && isTime(untilMs) ? { untilMs } : {} }),
    ...(isUsage(usage) && { usage }),
  };
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

function isUsage(value: unknown): value is UsageRecord {
  const usage = value as Partial<UsageRecord> | null | undefined;
  return (
    isTime(usage?.monotonicMs) &&
    (usage.wallMs === undefined || isTime(usage.wallMs)) &&
    Array.isArray(usage.used) &&
    usage.used.every((entry: unknown) => Array.isArray(entry) && isTime(entry[0]) && isTime(entry[1]))
  );
}
