import type { Clock } from "../device/clock.ts";
import type { Log } from "../log.ts";

/** A small text that is replaced as a whole. It need not survive a power cut: a new boot makes it worthless. */
export interface LeaseFile {
  /** Undefined where there is none yet. */
  read(): Promise<string | undefined>;
  /** Puts `text` in the place of what was there, so that a reader sees one or the other and never a mixture. */
  replace(text: string): Promise<void>;
}

/**
 * Since when actuators with a `max_on` have been on, so that restarting the node does not give them more time.
 * Monotonic times compare only within one boot of the kernel; after a new boot the outputs have been off anyway.
 */
export interface Leases {
  /** Monotonic time at which the actuator went on; undefined where the last run did not leave it on. */
  onSinceMs(id: string): number | undefined;
  /** Never rejects: a disk that refuses is logged, and costs at most one more `max_on` after the next restart. */
  remember(id: string, onSinceMs: number): Promise<void>;
  /** Never rejects. */
  forget(id: string): Promise<void>;
}

export async function openLeases(file: LeaseFile, clock: Clock, log: Log): Promise<Leases> {
  const onSince = await read(file, clock.bootId, log);
  let writing: Promise<void> = Promise.resolve();
  const write = () => {
    writing = writing
      .then(() => file.replace(JSON.stringify({ boot: clock.bootId, on_since: Object.fromEntries(onSince) })))
      .catch((error: unknown) =>
        log.warn("cannot remember for how long actuators have been on", { error: String(error) }),
      );
    return writing;
  };
  return {
    onSinceMs: (id) => onSince.get(id),
    async remember(id, onSinceMs) {
      if (onSince.get(id) === onSinceMs) return;
      onSince.set(id, onSinceMs);
      await write();
    },
    async forget(id) {
      if (onSince.delete(id)) await write();
    },
  };
}

async function read(file: LeaseFile, bootId: string, log: Log): Promise<Map<string, number>> {
  try {
    const text = await file.read();
    const stored: unknown = text === undefined ? undefined : JSON.parse(text);
    return new Map(isStored(stored) && stored.boot === bootId ? Object.entries(stored.on_since) : []);
  } catch (error) {
    log.warn("cannot tell for how long actuators were on before the restart", { error: String(error) });
    return new Map();
  }
}

function isStored(
  value: unknown,
): value is { readonly boot: string; readonly on_since: Record<string, number> } {
  const stored = value as { boot?: unknown; on_since?: unknown } | null | undefined;
  return (
    typeof stored?.boot === "string" &&
    typeof stored.on_since === "object" &&
    stored.on_since !== null &&
    Object.values(stored.on_since).every((sinceMs) => Number.isFinite(sinceMs))
  );
}
