import type { Clock } from "../device/clock.ts";
import type { Sample } from "./record.ts";

/** A sample's time as it goes out, and how far to trust it. */
export interface SampleTime {
  readonly wallMs: number;
  /** Absent: the clock was set when the sample was taken. */
  readonly clock?: "unsynced" | "repaired";
}

/**
 * The true time of a sample. One taken before the clock was first set, in this same kernel boot, is placed by its
 * monotonic distance from now; one from an earlier boot that never knew the time cannot be, and is marked.
 */
export function sampleTime(
  sample: Pick<Sample, "wallMs" | "monotonicMs" | "bootId" | "synced">,
  clock: Clock,
): SampleTime {
  if (sample.synced) return { wallMs: sample.wallMs };
  if (sample.bootId !== clock.bootId || !clock.synced()) return { wallMs: sample.wallMs, clock: "unsynced" };
  return { wallMs: clock.wallMs() - (clock.monotonicMs() - sample.monotonicMs), clock: "repaired" };
}
