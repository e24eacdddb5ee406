import type { Clock } from "../device/clock.ts";
import type { Sample } from "./record.ts";

/** A sample's time as it goes out, and how far to trust it. */
export interface SampleTime {
  readonly wallMs: number;
  /** Absent: the clock was set when the sample was taken. */
  readonly clock?: "unsynced" | "repaired";
}

/** What is known of kernel boots in which the clock was set at some time. */
export interface BootOffsets {
  /** How far the wall clock was ahead of the monotonic one, milliseconds; undefined: that boot never knew the time. */
  offsetMs(bootId: string): number | undefined;
}

const NO_BOOTS: BootOffsets = { offsetMs: () => undefined };

/**
 * The true time of a sample. One taken before the clock was first set is placed by the monotonic time it was taken at,
 * once the clock is set in that same kernel boot, be it before or after a restart of the process or the machine. One
 * from a boot that never knew the time cannot be placed, and is marked.
 */
export function sampleTime(
  sample: Pick<Sample, "wallMs" | "monotonicMs" | "bootId" | "synced">,
  clock: Clock,
  boots: BootOffsets = NO_BOOTS,
): SampleTime {
  if (sample.synced) return { wallMs: sample.wallMs };
  const isThisBoot = sample.bootId === clock.bootId && clock.synced();
  const offsetMs = isThisBoot ? clock.wallMs() - clock.monotonicMs() : boots.offsetMs(sample.bootId);
  if (offsetMs === undefined) return { wallMs: sample.wallMs, clock: "unsynced" };
  return { wallMs: sample.monotonicMs + offsetMs, clock: "repaired" };
}
