import { formatMissing, Losses } from "../../src/audit/losses.ts";
import { RangeSet } from "../../src/audit/ranges.ts";

/** What must be true of a node's records, however often its power was cut. Pure: it judges what others saw. */

/** A record as somebody was told of it: by the broker, or by `fieldpost buffer export`. */
export interface Told {
  readonly seq: number;
  /** Below the topic root. */
  readonly topic: string;
  readonly timeMs: number;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** One life of the node, and what the cut at its end left. */
export interface Life {
  /** When the program said that it runs; undefined: the cut came before. Wall time, as the records'. */
  readonly runningAtMs: number | undefined;
  readonly cutAtMs: number;
  /** What the broker handed out. */
  readonly heard: readonly Told[];
  /** What was on the disk when the next life began. */
  readonly survivors: readonly Told[];
}

export interface Promises {
  readonly syncAfterMs: number;
  /** What the machine may add: a disk that is slow to flush, a busy processor. */
  readonly slackMs: number;
}

interface Boot {
  readonly seq: number;
  readonly reason: unknown;
  readonly skipped: { readonly from_seq: number; readonly to_seq: number } | undefined;
}

/** Everything that was told of one disk, life after life. */
export class Account {
  readonly #promises: Promises;
  readonly #known = new Map<number, Told>();
  readonly #heard = new Set<number>();
  readonly #violations: string[] = [];
  readonly #gone = new Set<number>();
  #previous: readonly Told[] = [];
  #lives = 0;
  #checked = 0;
  #greatestAgeMs = 0;

  constructor(promises: Promises) {
    this.#promises = promises;
  }

  /** What was promised and is not so. */
  get violations(): readonly string[] {
    const gone = new RangeSet();
    for (const seq of this.#gone) gone.add(seq);
    const missing = this.#reported().missing(gone.ranges);
    return missing.length === 0
      ? this.#violations
      : [
          ...this.#violations,
          `gone after an earlier cut had left them: ${missing.map(formatMissing).join(", ")}`,
        ];
  }

  /** What was heard after the last cut. */
  hear(heard: readonly Told[]): void {
    for (const told of heard) {
      this.#learn(told);
      this.#heard.add(told.seq);
    }
  }

  get summary() {
    return {
      lives: this.#lives,
      records: this.#known.size,
      /** Records that were old enough to be asked for. */
      checked: this.#checked,
      /** Of the youngest record that a cut left: how old it was. Only where the node had run for long enough. */
      greatestAgeMs: Math.round(this.#greatestAgeMs),
    };
  }

  judge(life: Life): void {
    this.#lives++;
    const firstOfLife = this.#lastKnown() + 1;
    this.hear(life.heard);
    for (const told of life.survivors) this.#learn(told);
    this.#keptWhatWasSafe(life.survivors);
    this.#boots(firstOfLife, life.survivors);
    this.#lostNothingOld(life, firstOfLife);
    this.#previous = life.survivors;
  }

  /** A number is never given twice. */
  #learn(told: Told): void {
    const known = this.#known.get(told.seq);
    if (known && (known.topic !== told.topic || known.timeMs !== told.timeMs))
      this.#violated(`number ${told.seq} was given to ${describe(known)} and to ${describe(told)}`);
    this.#known.set(told.seq, told);
  }

  /**
   * What one cut has left, the next one leaves, unless the broker has got it; or the outbox was full, and the node says
   * so, if only in a later life.
   */
  #keptWhatWasSafe(survivors: readonly Told[]): void {
    const there = new Set(survivors.map(({ seq }) => seq));
    const gone = this.#previous.filter(({ seq }) => !there.has(seq) && !this.#heard.has(seq));
    for (const { seq } of gone) this.#gone.add(seq);
  }

  /** A new life says how the last one ended, and which numbers nobody will ever know of. */
  #boots(firstSeq: number, survivors: readonly Told[]): void {
    for (const boot of this.#bootsFrom(firstSeq)) {
      const first = ![...this.#known.keys()].some((seq) => seq < boot.seq);
      if (first && boot.reason === "first") continue;
      if (boot.reason !== "power_cut") this.#violated(`the boot at ${boot.seq} says ${boot.reason}`);
      const leftSeq = Math.max(0, ...this.#previous.map(({ seq }) => seq));
      const { skipped } = boot;
      if (!skipped) this.#violated(`the boot at ${boot.seq} names no skipped range`);
      else if (skipped.to_seq !== boot.seq - 1 || skipped.from_seq <= leftSeq)
        this.#violated(
          `the boot at ${boot.seq} after ${leftSeq} skips ${skipped.from_seq} to ${skipped.to_seq}`,
        );
    }
    const numbers = survivors.map(({ seq }) => seq);
    if (numbers.some((seq, nth) => nth > 0 && seq <= numbers[nth - 1]!))
      this.#violated("survivors out of order");
  }

  /** Of what waited longer than promised, every single record is there. */
  #lostNothingOld({ runningAtMs, cutAtMs }: Life, firstSeq: number): void {
    const dueMs = cutAtMs - this.#promises.syncAfterMs - this.#promises.slackMs;
    if (runningAtMs === undefined || runningAtMs > dueMs) return;
    const ofLife = [...this.#known.values()]
      .filter(({ seq }) => seq >= firstSeq)
      .sort((a, b) => a.seq - b.seq);
    const boot = this.#bootsFrom(firstSeq)[0];
    const youngestMs = Math.max(...ofLife.map(({ timeMs }) => timeMs));
    this.#greatestAgeMs = Math.max(this.#greatestAgeMs, cutAtMs - youngestMs);
    if (!boot || youngestMs < dueMs) {
      this.#violated(
        `life ${this.#lives} ran for ${cutAtMs - runningAtMs} ms and left ${ofLife.length} records, ` +
          `the youngest ${cutAtMs - youngestMs} ms before the cut`,
      );
      return;
    }
    const old = ofLife.filter(({ timeMs }) => timeMs <= dueMs);
    const lastOldSeq = old.at(-1)?.seq ?? boot.seq;
    const missing = lastOldSeq - boot.seq + 1 - ofLife.filter(({ seq }) => seq <= lastOldSeq).length;
    this.#checked += lastOldSeq - boot.seq + 1;
    if (missing > 0)
      this.#violated(`life ${this.#lives}: ${missing} missing of ${boot.seq} to ${lastOldSeq}`);
  }

  #reported(): Losses {
    const losses = new Losses();
    for (const { topic, fields } of this.#known.values())
      if (topic === "event/dropped")
        losses.drop(
          { from: Number(fields["from_seq"]), to: Number(fields["to_seq"]), count: Number(fields["count"]) },
          String(fields["reason"]),
        );
    return losses;
  }

  #bootsFrom(seq: number): Boot[] {
    return [...this.#known.values()]
      .filter((told) => told.seq >= seq && told.topic === "event/boot")
      .map(({ seq, fields }) => ({
        seq,
        reason: fields["reason"],
        skipped: fields["skipped"] as Boot["skipped"],
      }));
  }

  #lastKnown(): number {
    return Math.max(0, ...this.#known.keys());
  }

  #violated(what: string): void {
    this.#violations.push(what);
  }
}

function describe({ topic, timeMs }: Told): string {
  return `${topic} of ${new Date(timeMs).toISOString()}`;
}
