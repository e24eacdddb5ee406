import type { Board } from "../device/board.ts";
import type { Clock } from "../device/clock.ts";
import type { Host } from "../device/host.ts";
import type { Link, Outgoing } from "../mqtt/link/link.ts";
import type { LinkStep, SessionStatus } from "../mqtt/session/session.ts";
import type { Outbox } from "../outbox/outbox.ts";
import { isoTime } from "../record/json.ts";
import type { Sampler } from "../sensors/sampler.ts";
import { type Forecaster, forecastJson } from "./forecast.ts";
import type { LoopWatch, ProcessVitals } from "./vitals.ts";

/** What the health message is made of. */
export interface HealthSources {
  /** How the report is sent. */
  readonly spell: (report: Readonly<Record<string, unknown>>) => readonly Outgoing[];
  readonly intervalMs: number;
  /** The broker's certificate is not checked: `health` says so each time. */
  readonly insecure: boolean;
  /** The file system whose free space matters: the outbox's. */
  readonly diskPath: string;
  readonly clock: Clock;
  readonly host: Host;
  readonly vitals: ProcessVitals;
  readonly loop: Pick<LoopWatch, "worstDelayMs">;
  readonly outbox: Pick<Outbox, "opening" | "status">;
  readonly forecaster: Pick<Forecaster, "forecast">;
  session(): SessionStatus | undefined;
  link(): Link | undefined;
  readonly samplers: ReadonlyMap<string, Sampler>;
  /** By bus, how often it was opened anew and each remedy was used. */
  readonly recoveries?: Board["recoveries"] | undefined;
}

/** What the node says of itself: on each new link, and every so often. */
export interface Health {
  readonly onLink: LinkStep;
  /** Until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export function createHealth(sources: HealthSources): Health {
  const { spell, intervalMs, clock, link } = sources;
  const startedMonotonicMs = clock.monotonicMs();
  async function publish(to: Link): Promise<void> {
    const messages = spell(await healthReport(sources, startedMonotonicMs));
    await Promise.all(messages.map((message) => to.publish(message)));
  }
  return {
    onLink: { name: "reporting health", run: async (to) => void publish(to).catch(() => {}) },
    async run(signal) {
      while (!signal.aborted) {
        await clock.sleep(intervalMs, signal);
        const to = link();
        if (to && !signal.aborted) await publish(to).catch(() => {});
      }
    },
  };
}

/** The payload of `health` (contract, section 3). Quantities that the machine does not tell are left out. */
async function healthReport(
  sources: HealthSources,
  startedMonotonicMs: number,
): Promise<Record<string, unknown>> {
  const { clock, host, vitals } = sources;
  const { opening } = sources.outbox;
  const [cpuTemperature, load1, memory, disk, throttled, signalDbm] = await Promise.all([
    host.cpuTemperature(),
    host.load1(),
    host.memory(),
    host.disk(sources.diskPath),
    host.throttled(),
    host.signalDbm(),
  ]);
  const outbox = sources.outbox.status();
  const session = sources.session();
  return {
    time: isoTime(clock.wallMs()),
    clock: clock.synced() ? "synced" : "unsynced",
    uptime_s: Math.round((clock.monotonicMs() - startedMonotonicMs) / 1000),
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
      given_up: outbox.givenUp,
      fault: outbox.fault,
    },
    forecast: forecastJson(sources.forecaster.forecast(disk?.availableBytes)),
    link: {
      server: session?.server,
      away_from: session?.awayFrom,
      reconnects: Math.max(0, (session?.connects ?? 0) - 1),
      last_error: session?.lastError,
      signal_dbm: signalDbm,
      ...(sources.insecure && { insecure: true }),
    },
    i2c_recovery: sources.recoveries?.(),
    sensors: Object.fromEntries([...sources.samplers].map(([id, sampler]) => [id, sensorHealth(sampler)])),
  };
}

function sensorHealth(sampler: Sampler) {
  const { state, samples, errors, lastError, ...counts } = sampler.status();
  const count = Object.values(errors).reduce((sum, each) => sum + each, 0);
  return {
    state,
    samples,
    errors: count,
    ...(counts.retries > 0 && { retries: counts.retries }),
    ...(counts.reinitialisations > 0 && { reinitialised: counts.reinitialisations }),
    ...(counts.missedEdges !== undefined && { missed: counts.missedEdges }),
    ...(lastError !== undefined && { last_error: lastError }),
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
