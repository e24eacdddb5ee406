import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Losses } from "../../src/audit/losses.ts";
import { RangeSet } from "../../src/audit/ranges.ts";
import type { FileLayer } from "../../src/outbox/files/files.ts";
import type { WhenFull } from "../../src/outbox/intake/log-writer.ts";
import type { Drop, Outbox } from "../../src/outbox/outbox.ts";
import { type Segment, SegmentCursor } from "../../src/outbox/segments/segment.ts";
import type { LogEntry } from "../../src/outbox/segments/segment-format.ts";
import { survey } from "../../src/outbox/segments/survey.ts";
import { howMany, SEED } from "../exhaustive.ts";
import { DAY_MS, FOLDER, Rig, TAIL } from "./rig.ts";

/**
 * Random histories of a node against the promise itself: a number, once given, is acknowledged, or told as lost by a record
 * that is; it is never given twice, and the disk is never fuller than allowed. Deaths come between calls, or within one after so many
 * operations on files.
 */
type Step =
  | { readonly do: "append"; readonly count: number }
  | { readonly do: "deliver"; readonly count: number; readonly acknowledged: number }
  | { readonly do: "ahead"; readonly behind: number; readonly count: number; readonly acknowledged: number }
  | { readonly do: "report" }
  | { readonly do: "look" }
  | { readonly do: "sync" }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "age"; readonly pieces: number }
  | { readonly do: "reopen" }
  | { readonly do: "kill"; readonly afterOperations: number }
  | { readonly do: "cut"; readonly afterOperations: number };

/** One row: how the outbox is set up, and what happens to it. */
interface Row {
  readonly whenFull: WhenFull;
  readonly tail?: string;
  /** Records are events and readings of sensors; absent: all are alike. */
  readonly sensors?: boolean;
  /** So many records come between two looks that the log is filled more than once. */
  readonly bursts?: boolean;
  /** Younger records are acknowledged before older ones. */
  readonly ahead?: boolean;
  /** All that waits is too old every now and then. */
  readonly age?: boolean;
}

const EVERYTHING = 100_000;
const SMALL_FILES_BYTES = 20 * 1024;

const steps = ({ ahead, bursts, sensors, age }: Row): fc.Arbitrary<Step[]> => {
  const most = bursts ? 400 : sensors ? 150 : 60;
  const one = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ do: fc.constant("append" as const), count: fc.integer({ min: 1, max: most }) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant("deliver" as const),
        count: fc.integer({ min: 1, max: 80 }),
        acknowledged: fc.integer({ min: 0, max: 80 }),
      }),
    },
    {
      weight: ahead ? 4 : 0,
      arbitrary: fc.record({
        do: fc.constant("ahead" as const),
        behind: fc.integer({ min: 1, max: 250 }),
        count: fc.integer({ min: 1, max: 40 }),
        acknowledged: fc.integer({ min: 0, max: 40 }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("report" as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("look" as const) }) },
    { weight: sensors ? 3 : 1, arbitrary: fc.record({ do: fc.constant("sync" as const) }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 1500 }) }),
    },
    {
      weight: age ? 3 : 0,
      arbitrary: fc.record({ do: fc.constant("age" as const), pieces: fc.nat({ max: 40 }) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("reopen" as const) }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant("kill" as const), afterOperations: fc.nat({ max: 60 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant("cut" as const), afterOperations: fc.nat({ max: 60 }) }),
    },
  );
  return fc.array(one, { maxLength: 25 });
};

const SENSORS = ["air", "soil", "tank"];

/** Scattered, and the same for a number each time. */
const scattered = (seq: number) => Math.imul(seq, 2_654_435_761) >>> 16;

function seriesAt(seq: number): string | undefined {
  return scattered(seq) % 8 === 0 ? undefined : SENSORS[scattered(seq + 77) % SENSORS.length];
}

const records = new Map<string, Buffer>();

/** From 40 bytes to 100, hardly compressible. */
function recordOf(name: string, seq: number): Buffer {
  const text = `${name} ${seq} `;
  const record = records.get(text) ?? madeFor(text, seq);
  records.set(text, record);
  return record;
}

function madeFor(text: string, seq: number): Buffer {
  const record = Buffer.alloc(40 + (scattered(seq + 5) % 61));
  for (let at = 0; at < record.length; at++) record[at] = 33 + (scattered(seq * 128 + at) % 94);
  record.write(text);
  return record;
}

function seqIn(record: Uint8Array): number {
  return Number(Buffer.from(record).toString("latin1").split(" ")[1]);
}

function seriesOf(record: Uint8Array): string | undefined {
  const series = Buffer.from(record).toString("latin1").split(" ")[0]!;
  return series === "event" ? undefined : series;
}

/** A file layer whose process dies after so many writes. */
function mortal(files: FileLayer, fuse: { left: number; burn: () => void }): FileLayer {
  return {
    ...files,
    open(path, mode) {
      const file = files.open(path, mode);
      return {
        ...file,
        write(bytes, lengthBytes, position) {
          if (fuse.left-- === 0) fuse.burn();
          file.write(bytes, lengthBytes, position);
        },
        syncNow() {
          if (fuse.left-- === 0) fuse.burn();
          file.syncNow();
        },
      };
    },
  };
}

function entriesOf(files: FileLayer, segment: Segment): LogEntry[] {
  const cursor = new SegmentCursor(files, segment);
  const entries: LogEntry[] = [];
  for (let entry = cursor.next(); entry !== undefined; entry = cursor.next()) entries.push(entry);
  cursor.close();
  return entries;
}

/** How many numbers from `seq` on were given up among others. */
function holesFrom(entries: readonly LogEntry[], seq: number): number {
  return entries
    .filter(({ kind }) => kind === "thinned" || kind === "displaced")
    .reduce((sum, { fromSeq, seq: toSeq }) => sum + Math.max(0, toSeq - Math.max(fromSeq, seq) + 1), 0);
}

const numbersIn = (entries: readonly LogEntry[]) =>
  entries.reduce((sum, { fromSeq, seq }) => sum + seq - fromSeq + 1, 0);

class History {
  readonly #row: Row;
  readonly #maxBytes: number;
  readonly #fuse = { left: Number.POSITIVE_INFINITY, burn: () => this.#rig.mount.kill() };
  readonly #rig: Rig;
  /** Accounts taken; each record that follows tells one. */
  #taken: Drop[] = [];
  /** What the record of a number tells, an event. */
  readonly #told = new Map<number, Drop>();
  /** Taken when a run ended in order, and never told. */
  readonly #untold: Drop[] = [];
  readonly #acknowledged = new RangeSet();
  #outbox!: Outbox;
  /** The highest number that any append returned. */
  #given = 0;
  /** Numbers of records that were on flash. */
  readonly #durable = new Set<number>();
  #notDurableSeq = 1;
  #restarted = false;
  /** Segments may have come back in part; what is missing between them counts as given up until it is come upon. */
  #wasCut = false;

  constructor(row: Row) {
    this.#row = row;
    this.#maxBytes = SMALL_FILES_BYTES + (row.sensors ? 5 : 4) * 4096;
    const { whenFull, tail } = row;
    this.#rig = new Rig(
      {
        whenFull,
        tail,
        maxRecordBytes: 100,
        segmentBytes: 512,
        maxSizeBytes: this.#maxBytes,
        maxAgeMs: DAY_MS,
        pieceBytes: 256,
      },
      (files) => mortal(files, this.#fuse),
      row.sensors ? seriesOf : undefined,
    );
    this.#rig.accountsIn = (record) => {
      // Of what is too old events go as readings do.
      if (row.sensors && !row.age && row.whenFull !== "drop_newest") this.#expectNoReadingLeft(record);
      const account = this.#told.get(seqIn(record));
      return account === undefined ? [] : [account];
    };
  }

  async begin(): Promise<void> {
    const before = this.#restarted ? this.#rewrittenEntries() : [];
    this.#outbox = await this.#rig.open();
    const { skipped } = this.#outbox.opening;
    if (skipped) this.#expectNotDurable(skipped.fromSeq, skipped.toSeq);
    this.#notDurableSeq = this.#outbox.status().nextSeq;
    expect(this.#notDurableSeq).toBeGreaterThan(this.#given);
    if (!this.#wasCut) this.#expectGivenUpCounted(before);
    // The first record of a run tells of it.
    if (skipped) {
      this.#taken = [{ ...skipped, count: 0, reason: "skipped" }];
      this.#append();
    }
  }

  async take(step: Step): Promise<void> {
    const lastDurableSeq = Math.min(this.#given, this.#outbox.status().syncedSeq);
    while (this.#notDurableSeq <= lastDurableSeq) this.#durable.add(this.#notDurableSeq++);
    switch (step.do) {
      case "append":
        for (let i = 0; i < step.count; i++) this.#append();
        break;
      case "deliver":
        this.#deliver(step.count, step.acknowledged);
        break;
      case "ahead":
        this.#deliverAhead(step.behind, step.count, step.acknowledged);
        break;
      case "report":
        this.#report();
        break;
      case "look":
        this.#look();
        break;
      case "sync":
        await this.#outbox.sync();
        expect(this.#outbox.status().syncedSeq).toBeGreaterThanOrEqual(
          Math.min(this.#given, this.#lastStored()),
        );
        break;
      case "wait":
        await this.#rig.clock.advance(step.ms);
        break;
      case "age":
        this.#rig.clock.setWall(this.#rig.clock.wallMs() + 2 * DAY_MS);
        for (let piece = 0; piece < step.pieces; piece++) this.#deliver(1, 0);
        break;
      case "reopen":
        this.#restarted = true;
        await this.#outbox.close();
        // What was taken counts as told by a run that ends in order.
        this.#untold.push(...this.#taken.splice(0));
        await this.begin();
        break;
      case "kill":
        this.#die(step.afterOperations);
        this.#rig.kill();
        this.#taken = [];
        await this.begin();
        break;
      case "cut": {
        this.#die(step.afterOperations);
        const { firstSeq, nextSeq } = this.#outbox.status();
        this.#rig.cutPower();
        this.#wasCut = true;
        // What was written anew may come back in part where it had been delivered or given up since.
        if (this.#row.sensors)
          for (let seq = 1; seq < (firstSeq ?? nextSeq); seq++) this.#durable.delete(seq);
        this.#taken = [];
        await this.begin();
        break;
      }
    }
    expect(this.#rig.disk.usedBytes(FOLDER)).toBeLessThanOrEqual(this.#maxBytes);
  }

  /** Everything is delivered to the end, and every number has its fate. */
  conclude(): void {
    // Nothing is handed out while what is too old goes, piece by piece.
    for (let before: number | undefined = 0; ; before = this.#outbox.status().firstSeq)
      if (this.#deliver(50, 50) === 0 && this.#outbox.status().firstSeq === before) break;
    // A loss that goes on is told when it has ended.
    this.#append();
    this.#deliver(1, 1);
    this.#report();
    const losses = new Losses();
    for (const { fromSeq, toSeq, count, reason } of [...this.#heard(), ...this.#untold, ...this.#taken])
      if (reason === "skipped") losses.skip({ from: fromSeq, to: toSeq });
      else losses.drop({ from: fromSeq, to: toSeq, count }, reason);
    const missing = losses.missing(this.#acknowledged.gaps(1, this.#given));
    if (missing.length > 0) throw new Error(`vanished: ${JSON.stringify(missing)}`);
    this.#expectNothingToldThatWasDelivered();
    expect(this.#outbox.status().depth).toBe(0);
  }

  /** What was acknowledged after a loss that nobody took is held to be open by the next run. */
  #expectNothingToldThatWasDelivered(): void {
    if (this.#restarted) return;
    for (const drop of this.#heard()) {
      const { fromSeq, toSeq, count } = drop;
      const open = this.#acknowledged
        .gaps(fromSeq, toSeq)
        .reduce((sum, { from, to }) => sum + to - from + 1, 0);
      if (count > open) throw new Error(`${JSON.stringify(drop)}, and ${open} are open`);
    }
  }

  /** What the consumer heard: an account counts only where its record has arrived, and is told anew where it never will. */
  #heard(): readonly Drop[] {
    return [...this.#told].filter(([seq]) => this.#acknowledged.has(seq)).map(([, drop]) => drop);
  }

  #append(): void {
    const seq = this.#appendNext();
    expect(seq).toBeGreaterThan(this.#given);
    this.#given = seq;
  }

  /** Where the process dies in it, nobody hears of the number, and another record may get it. */
  #appendNext(): number {
    const { nextSeq } = this.#outbox.status();
    const drop = this.#taken.shift();
    if (drop === undefined) this.#told.delete(nextSeq);
    else this.#told.set(nextSeq, drop);
    const seq = this.#outbox.append(this.#recordAt(nextSeq));
    expect(seq).toBe(nextSeq);
    return seq;
  }

  #recordAt(seq: number): Buffer {
    return recordOf(this.#seriesAt(seq) ?? "event", seq);
  }

  #seriesAt(seq: number): string | undefined {
    return this.#told.has(seq) ? undefined : seriesAt(seq);
  }

  #peek(fromSeq: number, count: number): number[] {
    const entries = this.#outbox.peek(fromSeq, count);
    let before = fromSeq - 1;
    for (const { seq, record } of entries) {
      expect(seq).toBeGreaterThan(before);
      if (Buffer.compare(record, this.#recordAt(seq)) !== 0)
        throw new Error(`${seq} is not what was appended`);
      before = seq;
    }
    return entries.map(({ seq }) => seq);
  }

  #deliver(count: number, acknowledged: number): number {
    const seqs = this.#peek(1, count);
    const done = seqs.slice(0, acknowledged);
    if (done.length > 0) this.#outbox.ack(done.at(-1)!);
    for (const seq of done) this.#acknowledged.add(seq);
    return seqs.length;
  }

  /** Live first: what is young goes before the rest. */
  #deliverAhead(behind: number, count: number, acknowledged: number): void {
    if (!this.#outbox.canAckAhead()) return;
    const fromSeq = Math.max(1, this.#given + 1 - behind);
    const done = this.#peek(fromSeq, count).slice(0, acknowledged);
    if (done.length === 0) return;
    this.#outbox.ackAhead(done[0]!, done.at(-1)!);
    for (const seq of done) this.#acknowledged.add(seq);
  }

  #report(): void {
    for (const drop of this.#outbox.takeDrops()) {
      const { fromSeq, toSeq, count, reason, again } = drop;
      if (reason !== "skipped") expect(count).toBeGreaterThan(0);
      expect(count).toBeLessThanOrEqual(toSeq - fromSeq + 1);
      this.#taken.push(drop);
      if (reason === "corrupt" && !again) this.#expectNotDurable(fromSeq, toSeq);
    }
  }

  /** What the outbox says of itself is so, and what was thinned out is spread evenly. */
  #look(): void {
    const seqs = this.#everything();
    const { depth } = this.#outbox.status();
    if (!this.#row.sensors || !this.#wasCut) expect(seqs.length).toBe(depth);
    this.#expectEven(this.#rewritten());
  }

  /**
   * What is given up beyond the acknowledged number, which lies before the oldest record that waits. `before`: what the
   * disk held when it was opened; it may have been written anew since. What was acknowledged ahead, left out, and is not
   * remembered as acknowledged because a loss around it was not told counts as well.
   */
  #expectGivenUpCounted(before: readonly LogEntry[]): void {
    const { givenUp, firstSeq, nextSeq } = this.#outbox.status();
    const oldestSeq = firstSeq ?? nextSeq;
    const bounds = [before, this.#rewrittenEntries()].map((entries) => {
      const done = entries.findLast(
        ({ kind, seq }) => kind === "record" && seq < oldestSeq && !this.#row.ahead,
      );
      const forgotten = entries.filter(
        ({ kind, seq }) => kind === "accounted" && this.#acknowledged.has(seq),
      );
      return {
        least: holesFrom(entries, oldestSeq),
        most: holesFrom(entries, (done?.seq ?? 0) + 1) + numbersIn(forgotten),
      };
    });
    expect(givenUp).toBeGreaterThanOrEqual(Math.min(...bounds.map(({ least }) => least)));
    expect(givenUp).toBeLessThanOrEqual(Math.max(...bounds.map(({ most }) => most)));
    for (const segment of this.#rewritten()) {
      const records = entriesOf(this.#rig.files, segment).filter(({ kind }) => kind === "record");
      expect(records.length).toBe(segment.header.rewritten?.records);
    }
  }

  #rewrittenEntries(): readonly LogEntry[] {
    return this.#rewritten().flatMap((segment) => entriesOf(this.#rig.files, segment));
  }

  /** Of each sensor's readings none that was thinned out follows another at half, and no more than three at a quarter. */
  #expectEven(rewritten: readonly Segment[]): void {
    const missing = new Map<string, { count: number; most: number }>();
    for (const segment of rewritten) {
      const ofLevel = { half: 1, quarter: 3, events: Infinity }[segment.header.rewritten!.level];
      for (const { kind, fromSeq, seq: toSeq } of entriesOf(this.#rig.files, segment)) {
        for (let seq = fromSeq; seq <= toSeq; seq++) {
          const series = this.#seriesAt(seq);
          if (kind === "record" && series !== undefined) missing.delete(series);
          const isHole = (kind === "thinned" || kind === "displaced") && !this.#acknowledged.has(seq);
          if (!isHole) continue;
          if (series === undefined) throw new Error(`event ${seq} was given up among others`);
          const { count, most } = missing.get(series) ?? { count: 0, most: 0 };
          const run = { count: count + 1, most: Math.max(most, ofLevel) };
          missing.set(series, run);
          if (run.count > run.most)
            throw new Error(`${run.count} readings of ${series} up to ${seq} are missing`);
        }
      }
    }
  }

  /** An event goes only where no reading is left that could: on flash, and not in the segment that is written into. */
  #expectNoReadingLeft(record: Uint8Array): void {
    const seq = seqIn(record);
    if (seriesOf(record) !== undefined) return;
    // What was given up or delivered behind a loss that was not told comes back with the next run, and takes up the room
    // that rewriting needs: the oldest segment may go as it is.
    if (this.#restarted || this.#acknowledged.has(seq)) return;
    const { syncedSeq, firstSeq = 1 } = this.#outbox.status();
    const isLeft = ({ kind, seq }: LogEntry) =>
      kind === "record" &&
      seq >= firstSeq &&
      this.#seriesAt(seq) !== undefined &&
      !this.#acknowledged.has(seq);
    for (const segment of this.#segments().slice(0, -1)) {
      if (segment.lastSeq > syncedSeq) continue;
      const left = entriesOf(this.#rig.files, segment).find(isLeft);
      if (left) throw new Error(`${Buffer.from(record)} is given up, and reading ${left.seq} is there`);
    }
  }

  #segments(): readonly Segment[] {
    return survey(this.#rig.files, FOLDER).segments;
  }

  #rewritten(): readonly Segment[] {
    return this.#segments().filter(({ header }) => header.rewritten !== undefined);
  }

  #expectNotDurable(fromSeq: number, toSeq: number): void {
    for (let seq = fromSeq; seq <= toSeq; seq++)
      if (this.#durable.has(seq)) throw new Error(`${seq} was on flash`);
  }

  #lastStored(): number {
    return this.#everything().at(-1) ?? 0;
  }

  /** All that waits, when what is too old has gone. */
  #everything(): number[] {
    for (;;) {
      const { firstSeq } = this.#outbox.status();
      const seqs = this.#peek(1, EVERYTHING);
      if (seqs.length > 0 || this.#outbox.status().firstSeq === firstSeq) return seqs;
    }
  }

  /** Goes on appending and delivering until the process is dead in the middle of it. What it says then, nobody hears. */
  #die(afterOperations: number): void {
    this.#restarted = true;
    this.#fuse.left = afterOperations;
    while (this.#fuse.left >= 0) {
      const seq = this.#appendNext();
      if (this.#fuse.left < 0) break;
      this.#given = seq;
      if (seq > this.#notDurableSeq + 10_000) throw new Error(`${this.#outbox.status().fault}`);
      if (seq % 3 === 0) this.#deliver(2, this.#fuse.left > 2 ? 1 : 0);
    }
    this.#fuse.left = Number.POSITIVE_INFINITY;
  }
}

const ROWS: readonly Row[] = [
  { whenFull: "drop_oldest" },
  { whenFull: "drop_newest" },
  { whenFull: "drop_oldest", tail: TAIL },
  { whenFull: "drop_newest", tail: TAIL },
  { whenFull: "drop_oldest", bursts: true },
  { whenFull: "drop_oldest", bursts: true, tail: TAIL },
  { whenFull: "drop_oldest", ahead: true },
  { whenFull: "drop_newest", ahead: true },
  { whenFull: "drop_oldest", sensors: true },
  { whenFull: "drop_newest", sensors: true },
  { whenFull: "thin", sensors: true },
  { whenFull: "drop_oldest", sensors: true, tail: TAIL },
  { whenFull: "drop_newest", sensors: true, tail: TAIL },
  { whenFull: "thin", sensors: true, tail: TAIL },
  { whenFull: "drop_oldest", sensors: true, ahead: true },
  { whenFull: "thin", sensors: true, ahead: true },
  { whenFull: "thin", sensors: true, ahead: true, tail: TAIL },
  { whenFull: "drop_oldest", age: true },
  { whenFull: "drop_newest", age: true, tail: TAIL },
  { whenFull: "drop_oldest", age: true, ahead: true },
  { whenFull: "thin", age: true, sensors: true, ahead: true, tail: TAIL },
];

/** Histories of each row. `RUNS=1000 npx vitest run test/outbox/model.test.ts` searches for longer. */
const runsOf = ({ sensors, ahead, bursts }: Row) =>
  Number(process.env["RUNS"] ?? (sensors || ahead || bursts ? howMany(12, 30) : howMany(60, 250)));
const PATIENCE_MS = 120_000 * Math.max(1, Number(process.env["RUNS"] ?? 0) / 50);

test.each(ROWS)(
  "whatever happens, every number is acknowledged or told as lost, and never given twice (%o)",
  async (row) => {
    await fc.assert(
      fc.asyncProperty(steps(row), async (taken) => {
        const history = new History(row);
        await history.begin();
        for (const step of taken) await history.take(step);
        history.conclude();
      }),
      { seed: SEED, numRuns: runsOf(row) },
    );
  },
  PATIENCE_MS,
);
