import type { Clock } from "../device/clock.ts";
import type { Random } from "../device/random.ts";
import type { Log } from "../log.ts";
import { type Moment, now } from "../record/recorder.ts";
import { type Amounts, addAmounts, amountsOf } from "./amounts.ts";
import { type BackoffLimits, backoffMs } from "./backoff.ts";
import type { Fields, Measurements, Sensor } from "./driver.ts";
import { createFaultWatch, type Fault } from "./fault.ts";
import { type FilterStep, filteredFields, startFilters } from "./filters.ts";
import { createHandle } from "./handle.ts";
import { createReporter, type ReportSettings } from "./report.ts";
import { assertFinite, roundToPrecision } from "./rounding.ts";
import { createSchedule, type Schedule } from "./schedule.ts";

/** What a sampler tells. One that throws makes the reading at hand a failed one. */
export interface SamplerEvents {
  /** A reading to send: filtered, rounded, and let through by the report settings. */
  reading(id: string, measurements: Measurements, at: Moment): void;
  /** The first failure, then each that says something else, and a reminder every hour. */
  failed(id: string, fault: Fault): void;
  /** The first success after failures. Comes before its reading. */
  recovered(id: string, fault: Fault): void;
  /** Every sample, filtered and rounded, also one that is not worth sending: for rules and displays. */
  sampled?(id: string, measurements: Measurements, at: Moment): void;
}

export interface SamplerOptions {
  readonly id: string;
  /** Opens and initialises the sensor. Called again after each failure. */
  readonly open: () => Promise<Sensor>;
  /** The sensor is given up: called before its `close`, and at once even where one of its operations hangs. */
  readonly onClose?: () => void;
  readonly fields: Fields;
  readonly intervalMs: number;
  readonly jitterMs: number;
  readonly filters: readonly FilterStep[];
  /** Absent: every sample is sent. */
  readonly report?: ReportSettings | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly events: SamplerEvents;
  /** How long opening, and how long a read, may take. Default: 10 s, twice the slowest chip's measurement. */
  readonly deadlineMs?: number;
  /** Waits between attempts at a sensor that fails. Default: 1 s, doubled up to 5 min. */
  readonly backoff?: BackoffLimits;
}

export interface SamplerStatus {
  /** `starting`: no attempt has ended yet. */
  readonly state: "starting" | "ok" | "failing";
  /** Samples taken, changes that the sensor told on its own included. */
  readonly samples: number;
  /** Failed attempts by kind ({@link Fault.kind}). */
  readonly errors: Readonly<Record<string, number>>;
  /** Attempts after a failed one. */
  readonly retries: number;
  /** How often the sensor was opened and set up again. */
  readonly reinitialisations: number;
  /** Edges of its line that are known to have been missed; undefined: it counts none. */
  readonly missedEdges: number | undefined;
  readonly lastError: string | undefined;
  readonly lastSample: Moment | undefined;
  /** Times on the sampling grid at which no sample could be taken: the one before lasted too long, or the sensor failed. */
  readonly skippedSlots: number;
  /** Monotonic time at which the turn under way was due, or the next one is; undefined before the first. */
  readonly turnDueMs: number | undefined;
}

/** Reads one sensor at its interval, for as long as it runs, whatever the sensor does. */
export interface Sampler {
  /** Runs until `signal` aborts, then closes the sensor. Once only. */
  run(signal: AbortSignal): Promise<void>;
  /**
   * Takes a sample out of turn, also one that the report settings would hold back, and without waiting for a retry.
   * Resolves when it has been told; rejects with the reason where it fails or the sampler does not run.
   */
  sampleNow(): Promise<void>;
  status(): SamplerStatus;
}

interface Request {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const DEFAULT_DEADLINE_MS = 10_000;
const DEFAULT_BACKOFF: BackoffLimits = { firstMs: 1_000, maxMs: 300_000 };

/**
 * One sampler per sensor; none waits for another, except where two chips share a bus, which lets one transfer at a
 * time through. A sample's time is the moment its read ended: what was measured is no younger, and waiting for a busy
 * bus does not age it.
 */
export function createSampler(options: SamplerOptions): Sampler {
  const { id, clock, random, log, events } = options;
  const fields = filteredFields(options.fields, options.filters);
  const backoff = options.backoff ?? DEFAULT_BACKOFF;
  const faults = createFaultWatch();
  const errors: Record<string, number> = {};
  const handle = createHandle({
    id,
    async open() {
      const sensor = await options.open();
      openings++;
      return sensor;
    },
    clock,
    deadlineMs: options.deadlineMs ?? DEFAULT_DEADLINE_MS,
    onClose: () => options.onClose?.(),
    onChange: (raw) => deliver(raw, clock.monotonicMs(), false),
    onLost(error) {
      lost = { error };
      wake.abort();
    },
  });

  let filter = startFilters(options.filters);
  let reporter = createReporter(options.report);
  let held: Amounts = {};
  let schedule: Schedule | undefined;
  let requests: Request[] = [];
  let lost: { readonly error: unknown } | undefined;
  let wake = new AbortController();
  let retryAtMs: number | undefined;
  let turnDueMs: number | undefined;
  let samples = 0;
  let retries = 0;
  let openings = 0;
  let missedEdges = 0;
  let lastSample: Moment | undefined;
  let lastError: string | undefined;
  let isRunning = false;

  /** Takes what the sensor said through filters, rounding and report to whoever listens. */
  function deliver(raw: Measurements, reportMs: number, mustSend: boolean): void {
    const at = now(clock);
    assertFinite(raw);
    // Before any filter: what was lost is told even if nothing else of the sample is.
    missedEdges += typeof raw["missed"] === "number" ? raw["missed"] : 0;
    const filtered = filter(raw);
    assertFinite(filtered);
    const measurements = roundToPrecision(filtered, fields);
    samples++;
    lastSample = at;
    succeed();
    if (Object.keys(measurements).length === 0) return;
    events.sampled?.(id, measurements, at);
    const whole = roundToPrecision(addAmounts(measurements, held), fields);
    const goesOut = reporter.offer(whole, reportMs, mustSend);
    held = goesOut ? {} : amountsOf(whole, fields);
    if (goesOut) events.reading(id, whole, at);
  }

  function succeed(): void {
    retryAtMs = undefined;
    const ended = faults.succeeded();
    if (!ended) return;
    log.info("sensor recovered", { sensor: id, failures: ended.failures });
    events.recovered(id, ended);
  }

  async function fail(error: unknown): Promise<void> {
    const at = now(clock);
    const news = faults.failed(error, at);
    const { kind, error: text, failures } = faults.current()!;
    errors[kind] = (errors[kind] ?? 0) + 1;
    lastError = text;
    retryAtMs = at.monotonicMs + backoffMs(failures, backoff, random);
    if (news) {
      log.warn("sensor failed", { sensor: id, error: text, kind, failures });
      events.failed(id, news);
    }
    await close();
    filter = startFilters(options.filters);
    reporter = createReporter(options.report);
    lost = undefined;
  }

  async function close(): Promise<void> {
    try {
      await handle.close();
    } catch (error) {
      log.debug("sensor not closed", { sensor: id, error: String(error) });
    }
  }

  async function sample(signal: AbortSignal, gridMs: number | undefined): Promise<void> {
    const asked = requests;
    requests = [];
    if (retryAtMs !== undefined) retries++;
    try {
      if (lost) throw lost.error;
      const raw = await unlessAborted(handle.read(signal), signal);
      deliver(raw, gridMs ?? clock.monotonicMs(), asked.length > 0);
      for (const { resolve } of asked) resolve();
    } catch (error) {
      for (const { reject } of asked) reject(error);
      if (!signal.aborted) await fail(error);
    }
  }

  const isCalled = () => requests.length > 0 || lost !== undefined;

  /** Waits for the slot, for a retry where the sensor fails, or for a call out of turn; then samples once. */
  async function takeTurn(signal: AbortSignal, grid: Schedule): Promise<void> {
    const { dueMs, gridMs } = grid.slot();
    wake = new AbortController();
    if (isCalled()) wake.abort();
    turnDueMs = retryAtMs ?? dueMs;
    await clock.sleep(turnDueMs - clock.monotonicMs(), wake.signal);
    if (signal.aborted) return;
    const inTurn = retryAtMs === undefined && !isCalled();
    await sample(signal, inTurn ? gridMs : undefined);
    if (inTurn || clock.monotonicMs() >= dueMs) grid.next(clock.monotonicMs());
  }

  return {
    async run(signal) {
      if (schedule) throw new Error(`${id}: the sampler has been started before`);
      const { intervalMs, jitterMs } = options;
      schedule = createSchedule({ startMs: clock.monotonicMs(), intervalMs, jitterMs, random });
      const stop = () => wake.abort();
      signal.addEventListener("abort", stop, { once: true });
      isRunning = true;
      while (!signal.aborted) await takeTurn(signal, schedule);
      isRunning = false;
      signal.removeEventListener("abort", stop);
      for (const { reject } of requests) reject(new Error(`${id}: the sampler has stopped`));
      await close();
    },
    sampleNow() {
      if (!isRunning) return Promise.reject(new Error(`${id}: the sampler does not run`));
      return new Promise((resolve, reject) => {
        requests.push({ resolve, reject });
        wake.abort();
      });
    },
    status: () => ({
      state: faults.current() ? "failing" : samples > 0 ? "ok" : "starting",
      samples,
      errors: { ...errors },
      retries,
      reinitialisations: Math.max(0, openings - 1),
      missedEdges: Object.hasOwn(options.fields, "missed") ? missedEdges : undefined,
      lastError,
      lastSample,
      skippedSlots: schedule?.skipped() ?? 0,
      turnDueMs,
    }),
  };
}

/** Settles as `work` does, or rejects with the signal's reason as soon as it aborts. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
