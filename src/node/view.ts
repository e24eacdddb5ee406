import type { Guard } from "../actuators/guard.ts";
import type { Config, SensorConfig } from "../config/config.ts";
import type { Clock } from "../device/clock.ts";
import type { Host } from "../device/host.ts";
import type { SessionStatus } from "../mqtt/session/session.ts";
import type { Outbox } from "../outbox/outbox.ts";
import { isoTime } from "../record/json.ts";
import type { Moment } from "../record/recorder.ts";
import { fieldsOf } from "../sensors/driver.ts";
import { filteredFields } from "../sensors/filters.ts";
import type { Sampler } from "../sensors/sampler.ts";
import { type Forecaster, forecastJson } from "./forecast.ts";
import type { Readings } from "./readings.ts";

/** What a node is looked at through: everything of it that tells something. */
export interface ViewSources {
  readonly config: Config;
  readonly version: string;
  readonly clock: Clock;
  readonly host: Host;
  readonly guard: Guard;
  readonly samplers: ReadonlyMap<string, Sampler>;
  readonly readings: Readings;
  readonly outbox: Pick<Outbox, "opening" | "status">;
  readonly session: () => SessionStatus;
  readonly forecaster: Pick<Forecaster, "forecast">;
  /** Monotonic. */
  readonly startedMs: number;
}

/** The running node as `fieldpost status` shows it. */
export async function viewNode(sources: ViewSources) {
  const { config, clock, host, guard, outbox } = sources;
  const nowMs = clock.monotonicMs();
  const disk = await host.disk(config.buffer.path);
  const { depth, depthBytes, oldestWallMs, diskBytes, givenUp, dropped, nextSeq, fault } = outbox.status();
  const link = sources.session();
  return {
    device: config.device.id,
    name: config.device.name,
    version: sources.version,
    board: host.model,
    time: isoTime(clock.wallMs()),
    clock: clock.synced() ? "synced" : "unsynced",
    pid: process.pid,
    uptime_s: seconds(nowMs - sources.startedMs),
    boot: outbox.opening.run,
    last_exit: outbox.opening.lastEnd,
    link: {
      connected: link.connected,
      server: link.server,
      away_from: link.awayFrom,
      mqtt: link.version,
      since_s: seconds(nowMs - link.sinceMs),
      reconnects: Math.max(0, link.connects - 1),
      last_error: link.lastError,
    },
    outbox: {
      path: config.buffer.path,
      depth,
      bytes: depthBytes,
      oldest: oldestWallMs === undefined ? undefined : isoTime(oldestWallMs),
      disk_bytes: diskBytes,
      max_size: config.buffer.max_size,
      last_seq: nextSeq - 1,
      dropped,
      given_up: givenUp,
      fault,
    },
    forecast: forecastJson(sources.forecaster.forecast(disk?.availableBytes)),
    sensors: config.sensors.map((sensor) => viewSensor(sensor, sources)),
    actuators: guard.ids.map((id) => {
      const state = guard.state(id)!;
      return {
        id,
        state: state.value,
        cause: state.cause,
        since_s: state.value === undefined ? undefined : seconds(nowMs - state.switchedMs),
        until_s: state.leaseUntilMs === undefined ? undefined : seconds(state.leaseUntilMs - nowMs),
        error: state.retry?.error,
      };
    }),
  };
}

export type NodeView = Awaited<ReturnType<typeof viewNode>>;
export type SensorView = ReturnType<typeof viewSensor>;

export function viewSensor(
  sensor: SensorConfig,
  { clock, samplers, readings }: Pick<ViewSources, "clock" | "samplers" | "readings">,
) {
  const { id, driver, options, filters } = sensor;
  const status = samplers.get(id)?.status();
  const { measurements, at, fault } = readings.of(id);
  const fields = filteredFields(fieldsOf(driver, options), filters);
  const ageOf = ({ monotonicMs }: Moment) => seconds(clock.monotonicMs() - monotonicMs);
  return {
    id,
    driver: driver.name,
    state: status?.state ?? "starting",
    samples: status?.samples ?? 0,
    age_s: at === undefined ? undefined : ageOf(at),
    reading: measurements,
    units: Object.fromEntries(Object.keys(measurements ?? {}).map((name) => [name, fields[name]?.unit])),
    fault: fault && { error: fault.error, failures: fault.failures, since_s: ageOf(fault.since) },
  };
}

function seconds(durationMs: number): number {
  return Math.round(durationMs / 1_000);
}
