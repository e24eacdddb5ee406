import type { VirtualClock } from "../../src/device/sim/clock.ts";
import type { Entry, Outbox } from "../../src/outbox/outbox.ts";

/** What had been promised by some moment of a run. */
export interface Promised {
  /** The highest number that `append` has returned. */
  readonly given: number;
  /** Numbers that are delivered or given up: they need not be there any more. */
  readonly settled: number;
  /** Numbers of records that are on flash. */
  readonly durable: ReadonlySet<number>;
  /** Numbers of records that the consumer has. */
  readonly seen: ReadonlySet<number>;
  /** Nothing was ever lost: then nothing that was delivered may be told as lost either. */
  readonly lossless: boolean;
}

export const NOTHING_PROMISED: Promised = {
  given: 0,
  settled: 0,
  durable: new Set(),
  seen: new Set(),
  lossless: true,
};

/** What was appended under each number, in all that happened so far. */
export type Appended = Map<number, string>;

const EVERYTHING = 100_000;

const textOf = ({ record }: Entry) => Buffer.from(record).toString("latin1");

/** From nothing to more than a whole sector. */
const filler = (seq: number) => "x".repeat(seq % 9 === 0 ? 600 : (seq * 37) % 240);

/** A node in small: appends records that name themselves, reports what was lost, delivers, and keeps account. */
export class Consumer {
  readonly appended: Appended;
  readonly outbox: Outbox;
  readonly #onPromise: (promised: Promised) => void;
  /** Numbers of records that were handed out in this run. */
  readonly #delivered = new Set<number>();
  #promised: Promised;

  /** `onPromise` hears of each change of what is promised, as soon as it holds. */
  constructor(
    outbox: Outbox,
    appended: Appended,
    promised: Promised,
    onPromise: (promised: Promised) => void,
  ) {
    this.outbox = outbox;
    this.appended = appended;
    this.#promised = promised;
    this.#onPromise = onPromise;
    this.#promise({});
  }

  append(count: number): void {
    for (; count > 0; count--) this.#append(`record ${filler(this.outbox.status().nextSeq)}`);
  }

  /** What a node says first, and whenever it has lost something. */
  report(): void {
    for (const { fromSeq, toSeq } of this.outbox.takeDrops()) this.#append(`told ${fromSeq} ${toSeq} `);
  }

  boot(): void {
    const { skipped } = this.outbox.opening;
    this.#append(skipped ? `skipped ${skipped.fromSeq} ${skipped.toSeq} ` : "boot ");
  }

  deliver(count: number): void {
    const entries = this.outbox.peek(1, count);
    const seen = new Set(this.#promised.seen);
    for (const { seq } of entries) {
      seen.add(seq);
      this.#delivered.add(seq);
    }
    this.#promise({ seen });
    const last = entries.at(-1);
    if (last) this.outbox.ack(last.seq);
    this.#promise({});
  }

  /** Appends `meanwhile` records while the sync is under way. */
  async sync(meanwhile = 0): Promise<void> {
    const { nextSeq } = this.outbox.status();
    const syncing = this.outbox.sync();
    this.append(meanwhile);
    await syncing;
    this.#onFlash(nextSeq - 1);
  }

  async wait(clock: VirtualClock, durationMs: number): Promise<void> {
    await clock.advance(durationMs);
    this.#onFlash(this.outbox.status().syncedSeq);
  }

  async close(): Promise<void> {
    const left = this.outbox.peek(1, EVERYTHING).map(({ seq }) => seq);
    await this.outbox.close();
    // What moved to the disk with the end may have cost older records their place: this counts them as settled.
    this.#promise({ durable: new Set([...this.#promised.durable, ...left]) });
  }

  /** Records up to `seq` are on flash, or it is there that they were delivered. */
  #onFlash(seq: number): void {
    const durable = new Set(this.#promised.durable);
    for (const { seq: there } of this.outbox.peek(1, EVERYTHING)) if (there <= seq) durable.add(there);
    for (const delivered of this.#delivered) if (delivered <= seq) durable.add(delivered);
    this.#promise({ durable });
  }

  #append(text: string): void {
    const seq = this.outbox.status().nextSeq;
    this.appended.set(seq, `${seq} ${text}`);
    const given = this.outbox.append(Buffer.from(`${seq} ${text}`));
    if (given !== seq) throw new Error(`number ${seq} was announced and ${given} given`);
    this.#promise({ given });
  }

  #promise(change: Partial<Promised>): void {
    const { firstSeq, nextSeq, dropped } = this.outbox.status();
    const settled = (firstSeq ?? nextSeq) - 1;
    const lossless = this.#promised.lossless && dropped === 0;
    this.#promised = { ...this.#promised, settled, lossless, ...change };
    this.#onPromise(this.#promised);
  }
}

interface Range {
  readonly fromSeq: number;
  readonly toSeq: number;
}

const within = (ranges: readonly Range[], seq: number) =>
  ranges.some(({ fromSeq, toSeq }) => fromSeq <= seq && seq <= toSeq);

/** What a record says of missing numbers. */
function reportIn(text: string | undefined): (Range & { readonly of: "told" | "skipped" }) | undefined {
  const [, of, fromSeq, toSeq] = /^\d+ (told|skipped) (\d+) (\d+) /.exec(text ?? "") ?? [];
  if (of !== "told" && of !== "skipped") return undefined;
  return { of, fromSeq: Number(fromSeq), toSeq: Number(toSeq) };
}

/** Where an outbox opened after a power cut breaks a promise. `before` held for certain, `after` may have. */
export function brokenPromise(
  outbox: Outbox,
  appended: Appended,
  before: Promised,
  after: Promised,
): string | undefined {
  const { nextSeq } = outbox.status();
  const there = new Set<number>();
  let lastSeq = 0;
  for (const entry of outbox.peek(1, EVERYTHING)) {
    if (entry.seq <= lastSeq) return `${entry.seq} comes after ${lastSeq}`;
    if (textOf(entry) !== appended.get(entry.seq)) return `${entry.seq} holds "${textOf(entry)}"`;
    there.add(entry.seq);
    lastSeq = entry.seq;
  }
  if (nextSeq <= Math.max(before.given, lastSeq)) return `${nextSeq} would be given again`;
  const drops = outbox.takeDrops();
  const explained = explanations(outbox, drops, appended, (seq) => there.has(seq) || after.seen.has(seq));
  for (let seq = 1; seq <= before.given; seq++) {
    if (there.has(seq)) continue;
    if (before.durable.has(seq) && seq > after.settled) return `${seq} was on flash and is gone`;
    if (!after.seen.has(seq) && !within(explained, seq)) return `${seq} is gone without a word`;
  }
  for (const seq of there) if (within(drops, seq)) return `${seq} is there, and told as lost`;
  const corrupt = drops.filter(({ reason }) => reason === "corrupt");
  for (const seq of before.durable) {
    if (seq > after.settled && within(corrupt, seq)) return `${seq} was on flash and is told as corrupt`;
    const delivered = after.lossless && before.seen.has(seq);
    if (delivered && within(drops, seq)) return `${seq} was delivered and is told as lost`;
  }
  return undefined;
}

/** The numbers whose absence is told: now, in a record that is known, or in one that is told as lost itself. */
function explanations(
  { opening }: Outbox,
  drops: readonly Range[],
  appended: Appended,
  isKnown: (seq: number) => boolean,
): Range[] {
  const lost = [...drops];
  const skipped = opening.skipped ? [opening.skipped] : [];
  // A report comes after what it tells of.
  for (const [seq, text] of [...appended].sort(([one], [other]) => other - one)) {
    const report = reportIn(text);
    if (report === undefined || !(isKnown(seq) || within(lost, seq))) continue;
    (report.of === "told" ? lost : skipped).push(report);
  }
  return [...lost, ...skipped];
}
