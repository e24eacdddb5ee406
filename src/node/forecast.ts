import type { Clock } from "../device/clock.ts";
import { type OutboxOptions, roomBytes } from "../outbox/open.ts";
import type { Held, OutboxStatus, Stored } from "../outbox/outbox.ts";
import type { ProcessVitals } from "./vitals.ts";

/** What the node's own measurements say of the days to come. What is not known yet is absent. */
export interface Forecast {
  /** How long the node can be without a broker before it must give up records, from now on: drop some, or thin old readings out. */
  readonly offlineMs?: number;
  /** What ends that time: the outbox's size, its `max_age`, or the disk. */
  readonly limitedBy?: "max_size" | "max_age" | "disk";
  readonly recordsPerDay?: number;
  /** Bytes a day that the whole process has the kernel write to flash. */
  readonly flashBytesPerDay?: number;
}

export interface ForecastOptions {
  readonly clock: Clock;
  readonly vitals: ProcessVitals;
  readonly outbox: () => OutboxStatus;
  readonly options: OutboxOptions;
}

/** Measures how fast records come and flash is written. */
export interface Forecaster {
  /** `diskFreeBytes`: what the file system under the outbox has left, where it tells. */
  forecast(diskFreeBytes: number | undefined): Forecast;
  run(signal: AbortSignal): Promise<void>;
}

/** What comes and goes in a pattern of days is measured over one. */
const WINDOW_MS = 86_400_000;
const LOOK_EVERY_MS = 600_000;
/** Less would be a guess. The kernel writes what is dirty in bursts, so that takes longer to show. */
const LEAST_INTAKE_MS = 600_000;
const LEAST_FLASH_MS = 3_600_000;

/** An entry's header, and what its padding takes on average (outbox/FORMAT.md). */
const STORED_OVERHEAD_BYTES = 22;

/** Records on disk: fewer say nothing of the room that many would take. */
const LEAST_STORED = 1_000;

interface Look {
  readonly atMs: number;
  readonly records: number;
  readonly payloadBytes: number;
  readonly flashBytes: number | undefined;
}

export function createForecaster(options: ForecastOptions): Forecaster {
  const { clock, vitals } = options;
  const look = (): Look => {
    const { appended, appendedBytes } = options.outbox();
    return {
      atMs: clock.monotonicMs(),
      records: appended,
      payloadBytes: appendedBytes,
      flashBytes: vitals.writtenBytes?.(),
    };
  };
  const looks = [look()];

  return {
    forecast(diskFreeBytes) {
      const then = looks[0]!;
      const now = look();
      const elapsedMs = now.atMs - then.atMs;
      const { depth, depthBytes, diskBytes, stored } = options.outbox();
      const available = diskFreeBytes === undefined ? undefined : diskBytes + diskFreeBytes;
      return {
        ...(elapsedMs >= LEAST_INTAKE_MS &&
          predict(
            {
              records: now.records - then.records,
              payloadBytes: now.payloadBytes - then.payloadBytes,
              elapsedMs,
            },
            { depth, depthBytes, stored, ...limitsOf(options.options, available) },
          )),
        ...(elapsedMs >= LEAST_FLASH_MS &&
          now.flashBytes !== undefined &&
          then.flashBytes !== undefined && {
            flashBytesPerDay: ((now.flashBytes - then.flashBytes) / elapsedMs) * WINDOW_MS,
          }),
      };
    },
    async run(signal) {
      while (!signal.aborted) {
        await clock.sleep(LOOK_EVERY_MS, signal);
        if (signal.aborted) return;
        looks.push(look());
        while (clock.monotonicMs() - looks[0]!.atMs > WINDOW_MS) looks.shift();
      }
    },
  };
}

/** What came in over some time. */
export interface Intake {
  readonly records: number;
  readonly payloadBytes: number;
  readonly elapsedMs: number;
}

export interface Room {
  readonly depth: number;
  readonly depthBytes: number;
  /** What is on disk now. */
  readonly stored: Stored;
  /** What readings may take, and the disk has. */
  readonly roomBytes: number;
  /** The same with a disk that has enough. */
  readonly mostBytes: number;
  readonly maxAgeMs: number;
}

/** Of an outbox of these options. `availableBytes`: what the disk has for it, with what it takes already; absent: enough. */
export function limitsOf(options: OutboxOptions, availableBytes?: number) {
  const mostBytes = roomBytes(options);
  return { roomBytes: roomBytes(options, availableBytes), mostBytes, maxAgeMs: options.maxAgeMs };
}

/** How long there is room for what waits already and for what will come at the same rate. */
export function predict({ records, payloadBytes, elapsedMs }: Intake, room: Room): Forecast {
  const recordsPerDay = (records / elapsedMs) * WINDOW_MS;
  if (records === 0) return { recordsPerDay };
  const { depth, depthBytes, stored, mostBytes, maxAgeMs } = room;
  const freeBytes = Math.max(0, room.roomBytes - roomOf(depth, depthBytes, stored));
  const fullInMs = (freeBytes * elapsedMs) / roomOf(records, payloadBytes, stored.fresh ?? stored);
  if (fullInMs > maxAgeMs) return { offlineMs: maxAgeMs, limitedBy: "max_age", recordsPerDay };
  const limitedBy = room.roomBytes < mostBytes ? "disk" : "max_size";
  return { offlineMs: fullInMs, limitedBy, recordsPerDay };
}

/** What records take on disk: by what is there, compressed as it is; without enough of it, as if each stood alone. */
function roomOf(records: number, payloadBytes: number, stored: Held): number {
  if (stored.records < LEAST_STORED || stored.payloadBytes <= 0)
    return payloadBytes + records * STORED_OVERHEAD_BYTES;
  return payloadBytes * (stored.bytes / stored.payloadBytes);
}

/** As `health`, `fieldpost status` and `fieldpost buffer status` tell it. */
export function forecastJson({ offlineMs, limitedBy, recordsPerDay, flashBytesPerDay }: Forecast) {
  return {
    offline_days: offlineMs === undefined ? undefined : round(offlineMs / WINDOW_MS),
    limited_by: limitedBy,
    records_per_day: recordsPerDay === undefined ? undefined : Math.round(recordsPerDay),
    flash_bytes_per_day: flashBytesPerDay === undefined ? undefined : Math.round(flashBytesPerDay),
  };
}

export type ForecastJson = ReturnType<typeof forecastJson>;

/** Two digits that mean something. */
function round(days: number): number {
  return Number(days.toPrecision(days < 100 ? 2 : 3));
}
