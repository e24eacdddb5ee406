import type { Clock } from "../device/clock.ts";
import type { Sample } from "../record/record.ts";
import type { Moment } from "../record/recorder.ts";
import type { Measurements } from "../sensors/driver.ts";

/**
 * What is the newest of each topic of records. A Homie value has no time: who reads one takes it for the state of now, so
 * a value never follows a newer one.
 */
export interface Current {
  /** A sensor has said this. */
  reading(sensor: string, measurements: Measurements, at: Moment): void;
  /** What each sensor said last; from now on nothing older is current. */
  latest(): readonly (readonly [sensor: string, measurements: Measurements])[];
  /** Whether a record is not older than what was current before. From now on it is. */
  show(sample: Pick<Sample, "topic" | "bootId" | "monotonicMs"> & { readonly resent?: boolean }): boolean;
}

export function createCurrent(clock: Pick<Clock, "bootId">): Current {
  const readings = new Map<string, { readonly measurements: Measurements; readonly at: Moment }>();
  /** Monotonic time in this kernel boot of what was shown last, by the records' topic. */
  const shownMs = new Map<string, number>();

  return {
    reading: (sensor, measurements, at) => void readings.set(sensor, { measurements, at }),
    latest: () =>
      [...readings].map(([sensor, { measurements, at }]) => {
        shownMs.set(`telemetry/${sensor}`, at.monotonicMs);
        return [sensor, measurements] as const;
      }),
    show({ topic, bootId, monotonicMs, resent = false }) {
      const kind = topic.startsWith("event/") ? "event" : topic;
      const before = shownMs.get(kind);
      const isThisBoot = bootId === clock.bootId;
      // A record of an earlier boot is older than all that this one has shown.
      if (resent || (before !== undefined && (!isThisBoot || monotonicMs < before))) return false;
      if (isThisBoot) shownMs.set(kind, monotonicMs);
      return true;
    },
  };
}
