import type { Clock } from "../device/clock.ts";
import type { Host } from "../device/host.ts";
import type { Opening, OutboxStatus } from "../outbox/outbox.ts";
import { isoTime } from "../record/json.ts";
import type { LoopWatch, ProcessVitals } from "./vitals.ts";

/** What the health message is made of. */
export interface HealthSources {
  readonly clock: Clock;
  readonly host: Host;
  readonly vitals: ProcessVitals;
  readonly loop: Pick<LoopWatch, "worstDelayMs">;
  readonly opening: Opening;
  /** Monotonic time at which this run began. */
  readonly startedMonotonicMs: number;
  /** The file system whose free space matters: the outbox's. */
  readonly diskPath: string;
  readonly outbox: () => OutboxStatus;
  readonly link: () => { readonly reconnects: number; readonly lastError: string | undefined };
  readonly sensors: () => Readonly<Record<string, SensorHealth>>;
}

export interface SensorHealth {
  readonly state: string;
  readonly samples: number;
  readonly errors: number;
  readonly last_error?: string;
}

/** The payload of `health` (contract, section 3). Quantities that the machine does not tell are left out. */
export async function healthReport(sources: HealthSources): Promise<Record<string, unknown>> {
  const { clock, host, vitals, opening } = sources;
  const [cpuTemperature, load1, memory, disk, throttled, signalDbm] = await Promise.all([
    host.cpuTemperature(),
    host.load1(),
    host.memory(),
    host.disk(sources.diskPath),
    host.throttled(),
    host.signalDbm(),
  ]);
  const outbox = sources.outbox();
  const link = sources.link();
  return {
    time: isoTime(clock.wallMs()),
    clock: clock.synced() ? "synced" : "unsynced",
    uptime_s: Math.round((clock.monotonicMs() - sources.startedMonotonicMs) / 1000),
    host_uptime_s: Math.round(host.uptimeMs() / 1000),
    boot: opening.run,
    last_exit: opening.lastEnd,
    rss_bytes: vitals.rssBytes(),
    event_loop_delay_ms: Math.round(sources.loop.worstDelayMs()),
    memory_available_bytes: memory?.availableBytes,
    load_1m: load1 === undefined ? undefined : Math.round(load1 * 100) / 100,
    cpu_temperature: cpuTemperature === undefined ? undefined : Math.round(cpuTemperature * 10) / 10,
    throttled: throttled === undefined ? undefined : throttledFlags(throttled),
    disk_free_bytes: disk?.availableBytes,
    outbox: {
      depth: outbox.depth,
      bytes: outbox.depthBytes,
      oldest: outbox.oldestWallMs === undefined ? undefined : isoTime(outbox.oldestWallMs),
      disk_bytes: outbox.diskBytes,
      dropped: outbox.dropped,
      fault: outbox.fault,
    },
    link: { reconnects: link.reconnects, last_error: link.lastError, signal_dbm: signalDbm },
    sensors: sources.sensors(),
  };
}

/**
 * The Raspberry Pi firmware's `get_throttled` word in words.
 * Source: Raspberry Pi documentation, vcgencmd get_throttled: bits 0-3 now, bits 16-19 since boot.
 */
export function throttledFlags(word: number): Record<string, boolean> {
  const bits = { under_voltage: 0, frequency_capped: 1, throttled: 2, soft_temperature_limit: 3 };
  return Object.fromEntries(
    Object.entries(bits).flatMap(([name, bit]) => [
      [name, (word & (1 << bit)) !== 0],
      [`${name}_since_boot`, (word & (1 << (bit + 16))) !== 0],
    ]),
  );
}
