import { type Clock, DeadlineError } from "../clock.ts";

export interface VirtualClockOptions {
  /** System clock at the start, UTC, milliseconds since the epoch. */
  readonly wallMs: number;
  /** Default: 60,000, as if the kernel had booted a minute ago. */
  readonly monotonicMs?: number;
  readonly bootId?: string;
  /** Default: true. */
  readonly synced?: boolean;
  /**
   * Awaited between two instants, beside the event loop's turns: for programs under test that do real I/O, whose
   * consequences the clock cannot see coming (a socket, a thread).
   */
  readonly settle?: () => Promise<void>;
}

interface Sleeper {
  readonly dueMs: number;
  readonly wake: () => void;
}

/** Turns of the event loop that an instant's consequences get; one turn runs all promises, more let streams pass. */
const TURNS_PER_INSTANT = 3;

/** Wake-ups without time moving on after which a program is taken to be spinning on zero-length sleeps. */
const MAX_WAKES_PER_INSTANT = 10_000;

/**
 * Time that moves only when told to. The same program on the same clock sees the same instants in the same order,
 * however fast the machine is: sleepers wake in order of their due time, those due together in the order they fell
 * asleep, and what they set off runs out before the next instant begins.
 */
export class VirtualClock implements Clock {
  readonly bootId: string;
  readonly #sleepers: Sleeper[] = [];
  readonly #settle: (() => Promise<void>) | undefined;
  #monotonicMs: number;
  #wallOffsetMs: number;
  #synced: boolean;
  #advancing = false;

  constructor({
    wallMs,
    monotonicMs = 60_000,
    bootId = "5eed0001",
    synced = true,
    settle,
  }: VirtualClockOptions) {
    this.bootId = bootId;
    this.#monotonicMs = monotonicMs;
    this.#wallOffsetMs = wallMs - monotonicMs;
    this.#synced = synced;
    this.#settle = settle;
  }

  wallMs(): number {
    return this.#wallOffsetMs + this.#monotonicMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  synced(): boolean {
    return this.#synced;
  }

  sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        signal?.removeEventListener("abort", abort);
        resolve();
      };
      const sleeper: Sleeper = { dueMs: this.#monotonicMs + Math.max(0, durationMs), wake };
      const abort = () => {
        this.#sleepers.splice(this.#sleepers.indexOf(sleeper), 1);
        wake();
      };
      signal?.addEventListener("abort", abort, { once: true });
      this.#insert(sleeper);
    });
  }

  /** Lets `durationMs` pass. Only one advance at a time. */
  advance(durationMs: number): Promise<void> {
    return this.advanceTo(this.#monotonicMs + durationMs);
  }

  /** Lets time pass until `monotonicMs`. */
  async advanceTo(monotonicMs: number): Promise<void> {
    await this.#exclusively(async () => {
      await this.#quiesce();
      while (this.nextDueMs() <= monotonicMs) await this.#runNextInstant();
      this.#monotonicMs = Math.max(this.#monotonicMs, monotonicMs);
    });
  }

  /**
   * Lets just as much time pass as `work` needs and settles as it does. Rejects with a {@link DeadlineError} where it
   * needs more than `limitMs` or waits for something that no sleeper will bring about.
   */
  async run<T>(work: Promise<T>, limitMs = 600_000): Promise<T> {
    let settled = false;
    const settle = () => {
      settled = true;
    };
    work.then(settle, settle);
    const limitAtMs = this.#monotonicMs + limitMs;
    await this.#exclusively(async () => {
      await this.#quiesce();
      while (!settled && this.nextDueMs() <= limitAtMs) await this.#runNextInstant();
    });
    if (!settled) throw new DeadlineError("work on the virtual clock", limitMs);
    return work;
  }

  /** Steps the system clock, either way, without touching monotonic time. */
  setWall(wallMs: number): void {
    this.#wallOffsetMs = wallMs - this.#monotonicMs;
  }

  setSynced(synced: boolean): void {
    this.#synced = synced;
  }

  /** How many sleepers wait. */
  pending(): number {
    return this.#sleepers.length;
  }

  /** Monotonic time at which the next sleeper wakes; Infinity where none waits. */
  nextDueMs(): number {
    return this.#sleepers[0]?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  #insert(sleeper: Sleeper): void {
    let at = this.#sleepers.length;
    while (at > 0 && this.#sleepers[at - 1]!.dueMs > sleeper.dueMs) at--;
    this.#sleepers.splice(at, 0, sleeper);
  }

  async #runNextInstant(): Promise<void> {
    this.#monotonicMs = Math.max(this.#monotonicMs, this.nextDueMs());
    let wakes = 0;
    while (this.nextDueMs() <= this.#monotonicMs) {
      if (wakes > MAX_WAKES_PER_INSTANT) throw new Error("the program spins without letting time pass");
      while (this.nextDueMs() <= this.#monotonicMs) {
        wakes++;
        this.#sleepers.shift()!.wake();
      }
      await this.#quiesce();
    }
  }

  async #quiesce(): Promise<void> {
    for (let turn = 0; turn < TURNS_PER_INSTANT; turn++) await new Promise(setImmediate);
    await this.#settle?.();
  }

  async #exclusively(work: () => Promise<void>): Promise<void> {
    if (this.#advancing) throw new Error("the virtual clock is already being advanced");
    this.#advancing = true;
    try {
      await work();
    } finally {
      this.#advancing = false;
    }
  }
}
