import type { MemoryFile } from "../actuators/memory.ts";
import type { Clock } from "../device/clock.ts";
import type { Log } from "../log.ts";
import type { BootOffsets } from "../record/time.ts";

/** Beside the outbox, whose records it dates. */
export const BOOT_TIMES = "boots.json";

/** Of how many boots it is kept: more than an outbox holds records of, on any machine worth having. */
const BOOTS_MAX = 64;
/** Until a boot's time is known, a power cut costs the times of its records. */
const LOOK_EVERY_MS = 1_000;
/** Then only a step would be missed, and a board that has nothing to do is not woken each second. */
const LOOK_AGAIN_EVERY_MS = 10_000;
/** The two clocks are slewed together, so that anything but a step stays below. */
const STEP_MS = 1_000;

/** Remembers, across restarts and reboots, what time it was in each kernel boot that ever knew. */
export interface BootTimes extends BootOffsets {
  run(signal: AbortSignal): Promise<void>;
}

export async function openBootTimes(file: MemoryFile, clock: Clock, log: Log): Promise<BootTimes> {
  const offsets = parseBootTimes(await file.read().catch(() => undefined));

  /** Where the clock was stepped after it was set, the later word counts: somebody knew better. */
  async function look(): Promise<void> {
    if (!clock.synced()) return;
    const offsetMs = Math.round(clock.wallMs() - clock.monotonicMs());
    if (Math.abs(offsetMs - (offsets.get(clock.bootId) ?? Number.POSITIVE_INFINITY)) < STEP_MS) return;
    offsets.delete(clock.bootId);
    offsets.set(clock.bootId, offsetMs);
    for (const oldest of [...offsets.keys()].slice(0, -BOOTS_MAX)) offsets.delete(oldest);
    await file.replace(`${JSON.stringify(Object.fromEntries(offsets))}\n`).catch((error: unknown) => {
      log.debug("the time of this boot is not remembered", { error: String(error) });
    });
  }

  return {
    offsetMs: (bootId) => offsets.get(bootId),
    async run(signal) {
      while (!signal.aborted) {
        await look();
        await clock.sleep(offsets.has(clock.bootId) ? LOOK_AGAIN_EVERY_MS : LOOK_EVERY_MS, signal);
      }
    },
  };
}

/** What is damaged is forgotten: records of such boots stay as they are. Oldest first. */
export function parseBootTimes(text: string | undefined): Map<string, number> {
  try {
    const entries = Object.entries(JSON.parse(text ?? "{}") as Record<string, unknown>);
    return new Map(
      entries.filter(
        (entry): entry is [string, number] => /^[0-9a-f]{8}$/.test(entry[0]) && Number.isFinite(entry[1]),
      ),
    );
  } catch {
    return new Map();
  }
}
