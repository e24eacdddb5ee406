import { setMaxListeners } from "node:events";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { silentLog } from "../../src/log.ts";
import type { Moment } from "../../src/record/recorder.ts";
import type { Measurements, Sensor } from "../../src/sensors/driver.ts";
import type { Fault } from "../../src/sensors/fault.ts";
import {
  createSampler,
  type Sampler,
  type SamplerEvents,
  type SamplerOptions,
} from "../../src/sensors/sampler.ts";

export const START_WALL_MS = Date.UTC(2026, 10, 23);

/** What a sampler told, in order, with seconds since the start. */
export type Told =
  | { readonly s: number; readonly id: string; readonly reading: Measurements }
  | { readonly s: number; readonly id: string; readonly failed: string; readonly failures: number }
  | { readonly s: number; readonly id: string; readonly recovered: number };

/** A virtual clock, and samplers whose words are written down. */
export function createRig() {
  const clock = new VirtualClock({ wallMs: START_WALL_MS });
  const startMs = clock.monotonicMs();
  const seconds = (monotonicMs = clock.monotonicMs()) => Math.round(monotonicMs - startMs) / 1_000;
  const told: Told[] = [];
  const events: SamplerEvents = {
    reading: (id, reading, at: Moment) => told.push({ s: seconds(at.monotonicMs), id, reading }),
    failed: (id, { error, failures }: Fault) => told.push({ s: seconds(), id, failed: error, failures }),
    recovered: (id, { failures }: Fault) => told.push({ s: seconds(), id, recovered: failures }),
  };
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);

  function sampler(
    open: () => Promise<Sensor>,
    options: Partial<SamplerOptions> = {},
  ): { readonly sampler: Sampler; readonly done: Promise<void> } {
    const made = createSampler({
      id: "air",
      open,
      fields: { temperature: { unit: "°C", precision: 1 } },
      intervalMs: 10_000,
      jitterMs: 0,
      filters: [],
      clock,
      random: () => 0,
      log: silentLog,
      events,
      ...options,
    });
    return { sampler: made, done: made.run(stop.signal) };
  }

  return { clock, events, told, seconds, sampler, stop };
}

/** A chip to be told how to behave, and the protocol of what was done with it. */
export function createFakeChip(seconds: () => number) {
  const log: string[] = [];
  const chip = {
    log,
    openChip: async () => {},
    read: async (): Promise<Measurements> => ({ temperature: 21 }),
    closeChip: async () => {},
    changes: undefined as Sensor["changes"],
    async open(): Promise<Sensor> {
      log.push(`${seconds()} open`);
      await chip.openChip();
      return {
        read: () => {
          log.push(`${seconds()} read`);
          return chip.read();
        },
        close: () => {
          log.push(`${seconds()} close`);
          return chip.closeChip();
        },
        ...(chip.changes && { changes: chip.changes }),
      };
    },
  };
  return chip;
}
