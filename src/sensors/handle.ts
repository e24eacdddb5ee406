import { type Clock, withDeadline } from "../device/clock.ts";
import { type Measurements, type Sensor, SensorError } from "./driver.ts";

export interface HandleOptions {
  readonly id: string;
  readonly open: () => Promise<Sensor>;
  readonly clock: Clock;
  /** How long opening, and how long a read, may take. */
  readonly deadlineMs: number;
  /** What is open is about to be closed, or will be as soon as its operation under way ends. */
  readonly onClose?: () => void;
  /** A change that the open sensor told on its own. */
  readonly onChange: (measurements: Measurements) => void;
  /** The open sensor will tell no more changes. */
  readonly onLost: (error: unknown) => void;
}

/**
 * A sensor's hardware as the sampler holds it: opened when first read, one operation at a time, none waited for
 * longer than its deadline. One that outlives its deadline is left to end by itself, and until it has, every read
 * fails with that same deadline's error instead of putting a second operation beside it: two at once corrupt each
 * other, and each stuck one holds a thread of the process.
 */
export interface Handle {
  /** One measurement. Rejects when `signal` aborts before the sensor is open. One caller at a time. */
  read(signal: AbortSignal): Promise<Measurements>;
  /** Closes what is open, after any operation still under way. The next read opens anew. Rejects as closing does. */
  close(): Promise<void>;
}

/** Closing gives a line or file back; what cannot do it in this time does it behind our back. */
const CLOSE_DEADLINE_MS = 1_000;

export function createHandle({
  id,
  open,
  clock,
  deadlineMs,
  onClose,
  onChange,
  onLost,
}: HandleOptions): Handle {
  let sensor: Sensor | undefined;
  let following = new AbortController();
  /** Settles when every operation begun so far has ended. */
  let tail: Promise<void> = Promise.resolve();
  let overdue: unknown;
  let closeIsQueued = false;

  async function perform<T>(what: string, limitMs: number, work: () => Promise<T>): Promise<T> {
    const running = tail.then(work);
    let hasEnded = false;
    const end = () => {
      hasEnded = true;
      if (tail === ended) overdue = undefined;
    };
    const ended = running.then(end, end);
    tail = ended;
    try {
      return await withDeadline(clock, `${id}: ${what}`, limitMs, running);
    } catch (error) {
      if (!hasEnded) overdue ??= error;
      throw error;
    }
  }

  async function follow(changes: AsyncIterable<Measurements>, signal: AbortSignal): Promise<void> {
    try {
      for await (const change of changes) {
        if (signal.aborted) return;
        onChange(change);
      }
      if (!signal.aborted) onLost(new SensorError("disconnected", `${id}: no more changes come`));
    } catch (error) {
      if (!signal.aborted) onLost(error);
    }
  }

  async function ensureOpen(signal: AbortSignal): Promise<Sensor> {
    if (sensor) return sensor;
    const opened = await perform("opening", deadlineMs, async () => {
      sensor = await open();
      return sensor;
    });
    signal.throwIfAborted();
    following = new AbortController();
    if (opened.changes) void follow(opened.changes(following.signal), following.signal);
    return opened;
  }

  return {
    async read(signal) {
      if (overdue !== undefined) throw overdue;
      const opened = await ensureOpen(signal);
      return perform("reading", deadlineMs, () => opened.read());
    },
    async close() {
      following.abort();
      onClose?.();
      if (closeIsQueued) return;
      closeIsQueued = true;
      await perform("closing", CLOSE_DEADLINE_MS, async () => {
        const closing = sensor;
        sensor = undefined;
        closeIsQueued = false;
        await closing?.close?.();
      });
    },
  };
}
