import type { Clock } from "../../device/clock.ts";
import { type FileLayer, isFileError } from "../files/files.ts";
import type { Entry } from "../outbox.ts";
import { Head, type HeadPosition } from "../segments/head.ts";
import { merged, readRange } from "../segments/history.ts";
import { LogReader } from "../segments/log-reader.ts";
import type { Segment } from "../segments/segment.ts";
import { type LogEntry, TIME_UNKNOWN_MS } from "../segments/segment-format.ts";
import type { SegmentLog } from "../segments/segment-log.ts";
import { Ahead } from "../state/ahead.ts";
import type { NumberRange } from "../state/number-set.ts";
import type { ProgressFile } from "../state/progress.ts";
import type { Tail } from "../young/tail.ts";
import type { Waiting } from "../young/waiting.ts";
import { LeftOut } from "./left-out.ts";
import type { Losses } from "./losses.ts";

/** Whoever reads at more places than these at once reads parts of segments again. */
const READERS = 2;
/** Records counted in one go where they are dropped. */
const DROP_PAGE = 1_000;

export interface DeliveryParts {
  readonly files: FileLayer;
  readonly clock: Clock;
  readonly log: SegmentLog;
  /** Absent: records go into the log at once. */
  readonly tail: Tail | undefined;
  readonly waiting: Waiting;
  readonly losses: Losses;
  readonly progress: ProgressFile;
  readonly onGivenUp: (record: Uint8Array) => void;
}

export interface DeliveryStart {
  readonly ackedSeq: number;
  readonly ahead: readonly NumberRange[];
  /** The first number of this run. */
  readonly nextSeq: number;
}

/** The way out: hands records over in order, and moves the acknowledged number on. */
export class Delivery {
  readonly #parts: DeliveryParts;
  readonly #maxAgeMs: number;
  /** Gaps from this number on were reported when they arose, in this run. */
  readonly #firstSeq: number;
  /** One for the backlog, and one for new records where those go first: last used last. */
  readonly #readers: LogReader[];
  readonly #head: Head;
  readonly #leftOut: LeftOut;
  #ackedSeq: number;
  readonly #ahead: Ahead;
  #acknowledged = 0;
  /** Why records could not be handed out the last time. */
  #fault: string | undefined;
  /** Why the oldest could not be looked at the last time. */
  #headFault: string | undefined;

  constructor(parts: DeliveryParts, maxAgeMs: number, start: DeliveryStart) {
    this.#parts = parts;
    this.#maxAgeMs = maxAgeMs;
    this.#ackedSeq = start.ackedSeq;
    this.#ahead = new Ahead(start.ahead);
    this.#firstSeq = start.nextSeq;
    this.#readers = [];
    this.#head = new Head(parts.files, parts.log.segments);
    this.#leftOut = new LeftOut(parts.files);
  }

  /** Delivered, or lost, up to here. */
  get ackedSeq(): number {
    return this.#ackedSeq;
  }

  /** Numbers beyond {@link ackedSeq} that are delivered all the same. */
  get ahead(): Pick<Ahead, "full" | "size"> {
    return this.#ahead;
  }

  /** Whether the record is acknowledged although an older one is not. */
  isAcknowledgedAhead(seq: number): boolean {
    return this.#ahead.endAt(seq) !== undefined;
  }

  /** How many records this run has seen acknowledged. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** What the start after a power cut may take for done: not what was lost and is not told for good. */
  get settledSeq(): number {
    return Math.min(this.#ackedSeq, this.#parts.losses.firstUnsecuredSeq() - 1);
  }

  /** Set while the disk refuses reads. */
  get fault(): string | undefined {
    return this.#fault ?? this.#headFault;
  }

  /** The disk refused the last time that records were to be handed out. */
  get blocked(): boolean {
    return this.#fault !== undefined;
  }

  /** Up to `count` records from `fromSeq` on. While the disk refuses reads: those before the place where it does. */
  peek(fromSeq: number, count: number): Entry[] {
    const { log, waiting } = this.#parts;
    const entries: Entry[] = [];
    let nextSeq = Math.max(fromSeq, this.#ackedSeq + 1);
    const wasAckedSeq = this.#ackedSeq;
    const take = (entry: LogEntry) => {
      const atHead = entries.length === 0 && nextSeq === this.#ackedSeq + 1;
      const aheadSeq = this.#ahead.endAt(entry.seq);
      if (aheadSeq !== undefined) {
        nextSeq = aheadSeq + 1;
        if (atHead) this.#moveTo(aheadSeq);
        return;
      }
      nextSeq = entry.seq + 1;
      if (atHead && this.#isExpired(entry)) this.#giveUp(entry, "expired");
      else entries.push({ seq: entry.seq, record: entry.payload });
    };
    try {
      while (nextSeq <= log.lastSeq && entries.length < count) {
        const entry = this.#readerAt(nextSeq).next();
        if (entry === undefined) break;
        take(entry);
      }
      this.#fault = undefined;
    } catch (error) {
      if (!isFileError(error)) throw error;
      // What waits in memory comes after what cannot be read now.
      this.#fault = error.message;
      return entries;
    }
    while (entries.length < count) {
      const page = waiting.peek(nextSeq, count - entries.length);
      if (page.length === 0) break;
      for (const entry of page) if (entry.seq >= nextSeq) take(entry);
    }
    if (this.#ackedSeq !== wasAckedSeq) this.save();
    return entries;
  }

  ack(seq: number): void {
    if (seq <= this.#ackedSeq) return;
    this.#moveTo(seq);
    this.save();
  }

  /** Acknowledges what is younger than something that is not. Of records in it that were lost the count may be off. */
  ackAhead(range: NumberRange): void {
    if (range.fromSeq <= this.#ackedSeq + 1) {
      this.ack(range.toSeq);
      return;
    }
    const before = this.#ahead.size;
    this.#ahead.add(range);
    this.#acknowledged += this.#ahead.size - before;
    this.save();
  }

  /** Records still on disk or in the tail, acknowledged ones among them. Throws where the disk does. */
  *history(range: NumberRange): IterableIterator<Entry & { readonly acknowledged: boolean }> {
    const { files, log, tail } = this.#parts;
    const onDisk = readRange(files, log.segments, range);
    for (const { seq, payload } of tail ? merged(onDisk, tail.read(range)) : onDisk)
      yield { seq, record: payload, acknowledged: this.#isAcknowledged(seq) };
  }

  /** Gives up every record up to `seq` by hand. Returns how many; what the disk does not show cannot be counted and stays. */
  drop(seq: number): number {
    const { losses, waiting } = this.#parts;
    let count = 0;
    let lastSeq = this.#ackedSeq;
    for (let page = this.peek(0, DROP_PAGE); lastSeq < seq; page = this.peek(lastSeq + 1, DROP_PAGE)) {
      const wanted = page.filter((entry) => entry.seq <= seq);
      count += wanted.length;
      lastSeq = wanted.at(-1)?.seq ?? lastSeq;
      if (wanted.length < DROP_PAGE) break;
    }
    if (count === 0) return 0;
    losses.passed(this.#ackedSeq + 1, lastSeq);
    losses.add(this.#ackedSeq + 1, lastSeq, count, "operator");
    this.#ackedSeq = lastSeq;
    this.#ahead.forget(lastSeq);
    waiting.settle(lastSeq);
    this.save();
    return count;
  }

  /** Drops what has grown too old at the head. */
  expire(): void {
    const oldest = this.head()?.oldest;
    if (oldest !== undefined && this.#isExpired(oldest)) this.peek(this.#ackedSeq + 1, 1);
  }

  /** Gives up the records of the oldest segment, each one counted. */
  discard(segment: Segment): void {
    // What was given up in it before goes with the rest.
    const reader = this.#openReader((hole) => {
      // It reads on into the next one, to see that this one has ended.
      const { fromSeq, toSeq } = { ...hole, toSeq: Math.min(hole.toSeq, segment.lastSeq) };
      if (fromSeq <= toSeq) this.#parts.losses.add(fromSeq, toSeq, toSeq - fromSeq + 1, "full");
    });
    try {
      reader.seek(this.#ackedSeq + 1);
      for (let entry = reader.next(); entry && entry.seq <= segment.lastSeq; entry = reader.next())
        if (this.#ahead.endAt(entry.seq) === undefined) this.#giveUp(entry, "full");
    } catch (error) {
      if (!isFileError(error)) throw error;
      const fromSeq = this.#ackedSeq + 1;
      const unread = { fromSeq, toSeq: segment.lastSeq };
      const count = segment.lastSeq - this.#ackedSeq - this.#ahead.count(unread);
      if (count > 0) this.#parts.losses.add(fromSeq, segment.lastSeq, count, "full");
    } finally {
      reader.close();
    }
    this.#ackedSeq = Math.max(this.#ackedSeq, segment.lastSeq);
    this.#ahead.forget(this.#ackedSeq);
    this.save();
  }

  /** What lies at the acknowledged end of the log; undefined while the disk refuses reads. */
  head(): HeadPosition | undefined {
    try {
      const head = this.#head.locate(this.#ackedSeq);
      this.#headFault = undefined;
      return head;
    } catch (error) {
      if (!isFileError(error)) throw error;
      this.#headFault = error.message;
      return undefined;
    }
  }

  /** Of the numbers acknowledged ahead, those whose records were left out where segments were rewritten. */
  aheadLeftOut(): number {
    try {
      return this.#leftOut.count(this.#parts.log.segments, this.#ahead);
    } catch (error) {
      if (!isFileError(error)) throw error;
      this.#headFault = error.message;
      return 0;
    }
  }

  save(): void {
    const { losses, progress } = this.#parts;
    // A killed process leaves the reports that it appended.
    const ackedSeq = Math.min(this.#ackedSeq, losses.firstUntoldSeq() - 1);
    // What is acknowledged ahead is not read again, and a loss in it would not be found again.
    const ahead = this.#ahead.ranges
      .map((range) => losses.securedPart(range))
      .filter(({ fromSeq, toSeq }) => fromSeq <= toSeq);
    progress.update({ ackedSeq, unsecured: ackedSeq - this.settledSeq, ahead });
  }

  /** The end of the log was cut off: positions in it mean nothing any more. */
  forgetPositions(): void {
    for (const reader of this.#readers) reader.close();
    this.#head.close();
  }

  /** Lets the disk be read again. */
  retry(): void {
    this.#fault = this.#headFault = undefined;
  }

  #readerAt(seq: number): LogReader {
    const there = this.#readers.findIndex((reader) => reader.isAt(seq));
    const [reader] =
      there >= 0
        ? this.#readers.splice(there, 1)
        : this.#readers.length < READERS
          ? [this.#openReader()]
          : this.#readers.splice(0, 1);
    reader!.seek(seq);
    this.#readers.push(reader!);
    return reader!;
  }

  /** `onHole`: numbers given up among records that are there, not told yet. */
  #openReader(onHole?: (hole: NumberRange) => void): LogReader {
    const { files, log, losses } = this.#parts;
    return new LogReader(files, log.segments, (kind, fromSeq, toSeq) => {
      if (kind === "thinned" || kind === "displaced") {
        if (onHole) for (const hole of losses.untoldHoles(fromSeq, toSeq)) onHole(hole);
        else losses.foundAmong(fromSeq, toSeq, kind === "thinned" ? "thinned" : "full");
        return;
      }
      const toldAlready = kind === "full" && fromSeq >= this.#firstSeq;
      // What is acknowledged ahead is counted as that.
      const ahead = kind === "accounted" && this.#ahead.endAt(fromSeq) !== undefined;
      if (ahead) return;
      if (kind === "accounted" || toldAlready) losses.expected(fromSeq, toSeq);
      else losses.found(fromSeq, toSeq, kind);
    });
  }

  #isAcknowledged(seq: number): boolean {
    return seq <= this.#ackedSeq || this.isAcknowledgedAhead(seq);
  }

  /** Everything up to `seq` is delivered, and with it what was delivered ahead right behind it. */
  #moveTo(seq: number): void {
    const { losses, waiting } = this.#parts;
    const reached = this.#ahead.endAt(seq + 1) ?? seq;
    const passed = { fromSeq: this.#ackedSeq + 1, toSeq: reached };
    const missing = losses.passed(passed.fromSeq, passed.toSeq);
    this.#acknowledged += Math.max(0, reached - this.#ackedSeq - missing - this.#ahead.count(passed));
    this.#ackedSeq = reached;
    this.#ahead.forget(reached);
    losses.secured(reached);
    waiting.settle(reached);
  }

  #giveUp({ seq, payload }: LogEntry, reason: "full" | "expired"): void {
    this.#parts.onGivenUp(payload);
    const { losses } = this.#parts;
    losses.add(seq, seq, 1, reason);
    losses.passed(this.#ackedSeq + 1, seq);
    this.#ackedSeq = seq;
    this.#ahead.forget(seq);
    this.#parts.waiting.settle(seq);
  }

  #isExpired({ wallMs }: LogEntry): boolean {
    const { clock } = this.#parts;
    const nowMs = clock.wallMs();
    // By a clock that was not set, then or now, no record is old.
    if (!clock.synced() || wallMs === TIME_UNKNOWN_MS || wallMs > nowMs) return false;
    return nowMs - wallMs > this.#maxAgeMs;
  }
}
