import type { Moment } from "../record/recorder.ts";
import type { Measurements } from "../sensors/driver.ts";
import type { Fault } from "../sensors/fault.ts";
import type { SamplerEvents } from "../sensors/sampler.ts";

/** What a sensor last said, and what is wrong with it. */
export interface LatestReading {
  readonly measurements?: Measurements;
  readonly at?: Moment;
  readonly fault?: Fault;
}

/** Remembers the latest of each sensor, for whoever looks at the node from here. */
export interface Readings {
  /** The same events, overheard. */
  overhear(events: SamplerEvents): SamplerEvents;
  of(sensor: string): LatestReading;
}

export function createReadings(): Readings {
  const latest = new Map<string, LatestReading>();
  const of = (id: string) => latest.get(id) ?? {};
  return {
    of,
    overhear: (events) => ({
      ...events,
      failed(id, fault) {
        latest.set(id, { ...of(id), fault });
        events.failed(id, fault);
      },
      recovered(id, fault) {
        const { fault: _over, ...rest } = of(id);
        latest.set(id, rest);
        events.recovered(id, fault);
      },
      sampled(id, measurements, at) {
        const { fault } = of(id);
        latest.set(id, { measurements, at, ...(fault && { fault }) });
        events.sampled?.(id, measurements, at);
      },
    }),
  };
}
