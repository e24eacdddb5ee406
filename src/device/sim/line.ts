import type { Clock } from "../clock.ts";
import type { Bias, LineValue } from "../gpio.ts";

/** Entries that a line's history keeps: the latest. */
const MAX_HISTORY = 10_000;

/** What is connected to one pin, and the level that results. */
export class SimLine {
  readonly name: string;
  /** Who has requested it; undefined: nobody. */
  owner: string | undefined;
  readonly history: [monotonicMs: number, level: LineValue][] = [];
  readonly #clock: Clock;
  readonly #watchers = new Set<(level: LineValue) => void>();
  #bias: Bias;
  #output: LineValue | undefined;
  #driven: LineValue | undefined;
  #stuck: LineValue | undefined;
  #level: LineValue;

  constructor(name: string, bias: Bias, clock: Clock) {
    this.name = name;
    this.#bias = bias;
    this.#clock = clock;
    this.#level = this.#electricalLevel();
  }

  /** The electrical level. */
  get level(): LineValue {
    return this.#level;
  }

  /** What the world outside holds the pin at; undefined: nothing. */
  get driven(): LineValue | undefined {
    return this.#driven;
  }

  drive(level: LineValue | undefined): void {
    this.#driven = level;
    this.#settle();
  }

  stick(level: LineValue | undefined): void {
    this.#stuck = level;
    this.#settle();
  }

  becomeInput(bias: Bias | undefined): void {
    this.#output = undefined;
    this.#bias = bias ?? this.#bias;
    this.#settle();
  }

  /** Makes the line an output, or sets it, in one step. */
  output(level: LineValue): void {
    this.#output = level;
    this.#settle();
  }

  /** Calls `watcher` with the new level on every electrical change, until the returned function is called. */
  watch(watcher: (level: LineValue) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  #settle(): void {
    const level = this.#electricalLevel();
    if (level === this.#level) return;
    this.#level = level;
    this.history.push([this.#clock.monotonicMs(), level]);
    if (this.history.length > MAX_HISTORY) this.history.shift();
    for (const watcher of this.#watchers) watcher(level);
  }

  #electricalLevel(): LineValue {
    return this.#stuck ?? this.#output ?? this.#driven ?? (this.#bias === "up" ? 1 : 0);
  }
}
