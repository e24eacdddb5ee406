import { seededRandom } from "../../src/device/random.ts";
import type { VirtualClock } from "../../src/device/sim/clock.ts";
import type { Entry, Outbox } from "../../src/outbox/outbox.ts";
import { numbers } from "./rig.ts";

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
  /** The highest number that was acknowledged. */
  readonly acked: number;
  /** Numbers of readings on flash that made room, whether that was told or not. */
  readonly thinned: ReadonlySet<number>;
  /** Nothing was ever lost: then nothing that was delivered may be told as lost either. */
  readonly lossless: boolean;
}

export const NOTHING_PROMISED: Promised = {
  given: 0,
  settled: 0,
  durable: new Set(),
  seen: new Set(),
  acked: 0,
  thinned: new Set(),
  lossless: true,
};

/** What was appended under each number, in all that happened so far. */
export type Appended = Map<number, string>;

const EVERYTHING = 100_000;

const textOf = ({ record }: Entry) => Buffer.from(record).toString("latin1");

/** From nothing to more than a whole sector. */
const filler = (seq: number) => "x".repeat(seq % 9 === 0 ? 600 : (seq * 37) % 240);

/** Hardly to be compressed, so that a segment written anew is more than a sector. */
function noise(seq: number): string {
  const random = seededRandom(seq);
  const lengthBytes = seq % 9 === 0 ? 500 : (seq * 37) % 240;
  return Array.from({ length: lengthBytes }, () => String.fromCharCode(33 + Math.floor(random() * 90))).join(
    "",
  );
}

/** Readings of two sensors in turns; whatever else is appended is an event. */
export function seriesOf(record: Uint8Array): string | undefined {
  return /^\d+ (reading\d) /.exec(Buffer.from(record).toString("latin1"))?.[1];
}

/** A node in small: appends records that name themselves, reports what was lost, delivers, and keeps account. */
export class Consumer {
  readonly appended: Appended;
  readonly outbox: Outbox;
  readonly #onPromise: (promised: Promised) => void;
  /** Numbers of records that were handed out in this run. */
  readonly #delivered = new Set<number>();
  #promised: Promised;
  #closed = false;

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

  /** Readings, and every now and then an event. */
  measure(count: number): void {
    for (; count > 0; count--) {
      const seq = this.outbox.status().nextSeq;
      this.#append(`${seq % 8 === 0 ? "event" : `reading${seq % 2}`} ${noise(seq)}`);
    }
  }

  /** What a node says first, and whenever it has lost something. */
  report(): void {
    for (const { fromSeq, toSeq, count, reason } of this.outbox.takeDrops())
      this.#append(`told ${fromSeq} ${toSeq} ${count} ${reason} `);
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
    this.#promise(last ? { acked: last.seq } : {});
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
    this.#closed = true;
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
    this.#promised = { ...this.#promised, settled, lossless, thinned: this.#thinned(), ...change };
    this.#onPromise(this.#promised);
  }

  /** Those that were on flash and are there no more. */
  #thinned(): ReadonlySet<number> {
    const { durable, thinned } = this.#promised;
    if (this.#closed) return thinned;
    const gone = new Set(durable);
    for (const { seq } of this.outbox.history(1, Infinity)) gone.delete(seq);
    const since = [...gone].filter((seq) => !thinned.has(seq) && this.#isReading(seq));
    return since.length > 0 ? new Set([...thinned, ...since]) : thinned;
  }

  #isReading(seq: number): boolean {
    return seriesOf(Buffer.from(this.appended.get(seq) ?? "")) !== undefined;
  }
}

interface Range {
  readonly fromSeq: number;
  readonly toSeq: number;
}

const within = (ranges: readonly Range[], seq: number) =>
  ranges.some(({ fromSeq, toSeq }) => fromSeq <= seq && seq <= toSeq);

/** What the record of a number says of missing ones. */
interface Report extends Range {
  readonly seq: number;
  readonly of: "told" | "skipped";
}

function reportIn(seq: number, text: string): Report | undefined {
  const [, of, fromSeq, toSeq] = /^\d+ (told|skipped) (\d+) (\d+) /.exec(text) ?? [];
  if (of !== "told" && of !== "skipped") return undefined;
  return { seq, of, fromSeq: Number(fromSeq), toSeq: Number(toSeq) };
}

/**
 * Where an outbox opened after a power cut breaks a promise. `before` held for certain, `after` may have. `eventsStay`: it
 * tells events from readings.
 */
export function brokenPromise(
  outbox: Outbox,
  appended: Appended,
  before: Promised,
  after: Promised,
  eventsStay: boolean,
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
  const givenUp = drops.filter(({ reason }) => reason !== "corrupt");
  for (let seq = 1; seq <= before.given; seq++) {
    if (there.has(seq)) continue;
    const isEvent = eventsStay && !appended.get(seq)?.includes(" reading");
    if (isEvent && before.durable.has(seq) && seq > after.acked)
      return `${seq}, an event, was on flash and is gone`;
    // What is written anew may be on flash before it is in its place.
    const thinned = after.thinned.has(seq) || (eventsStay && !isEvent && within(givenUp, seq));
    if (before.durable.has(seq) && seq > after.settled && !thinned) return `${seq} was on flash and is gone`;
    if (!after.seen.has(seq) && !within(explained, seq)) return `${seq} is gone without a word`;
  }
  const whole = drops.filter(({ fromSeq, toSeq, count }) => count > toSeq - fromSeq);
  for (const seq of there) if (within(whole, seq)) return `${seq} is there, and told as lost`;
  for (const { fromSeq, toSeq, count } of drops) {
    const missing = numbers(fromSeq, toSeq).filter((seq) => !there.has(seq)).length;
    if (count > missing) return `${count} are told as lost from ${fromSeq} to ${toSeq}, ${missing} are`;
  }
  const corrupt = drops.filter(({ reason }) => reason === "corrupt");
  for (const seq of before.durable) {
    if (seq > after.settled && within(corrupt, seq)) return `${seq} was on flash and is told as corrupt`;
    const delivered = after.lossless && before.seen.has(seq);
    if (delivered && within(whole, seq)) return `${seq} was delivered and is told as lost`;
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
  for (const { seq, of, ...range } of reportsIn(appended))
    if (isKnown(seq) || within(lost, seq)) (of === "told" ? lost : skipped).push(range);
  return [...lost, ...skipped];
}

/** Thousands of disks are judged by what was appended in one run. */
const reportsOf = new WeakMap<Appended, { readonly size: number; readonly reports: readonly Report[] }>();

/** The youngest first: a report comes after what it tells of. */
function reportsIn(appended: Appended): readonly Report[] {
  const known = reportsOf.get(appended);
  if (known?.size === appended.size) return known.reports;
  const reports = [...appended].flatMap(([seq, text]) => reportIn(seq, text) ?? []);
  reports.sort((one, other) => other.seq - one.seq);
  reportsOf.set(appended, { size: appended.size, reports });
  return reports;
}
