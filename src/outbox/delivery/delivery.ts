import type { Clock } from "../../device/clock.ts";
import { type FileLayer, isFileError } from "../files/files.ts";
import type { Entry } from "../outbox.ts";
import { Head, type HeadPosition } from "../segments/head.ts";
import { merged, readRange } from "../segments/history.ts";
import { LogReader } from "../segments/log-reader.ts";
import type { Segment } from "../segments/segment.ts";
import { knownTimeMs, type LogEntry, storedBytes } from "../segments/segment-format.ts";
import type { SegmentLog } from "../segments/segment-log.ts";
import { Ahead } from "../state/ahead.ts";
import { type NumberRange, sizeOf } from "../state/number-set.ts";
import type { Progress, ProgressFile } from "../state/progress.ts";
import type { Tail } from "../young/tail.ts";
import type { Waiting } from "../young/waiting.ts";
import { LeftOut } from "./left-out.ts";
import type { Losses } from "./losses.ts";

/** Whoever reads at more places than these at once reads parts of segments again. */
const READERS = 2;
/** Records dropped by hand in one go. */
const DROP_PAGE = 1_000;

/** Records being collected for somebody who asks for them. */
interface Page {
  readonly entries: Entry[];
  readonly count: number;
  nextSeq: number;
  /** Of what is too old so much may still be given up on the way. */
  leftBytes: number;
}

export interface DeliveryParts {
  readonly files: FileLayer;
  readonly clock: Clock;
  readonly log: SegmentLog;
  /** Absent: records go into the log at once. */
  readonly tail: Tail | undefined;
  readonly waiting: Waiting;
  readonly losses: Losses;
  readonly progress: ProgressFile;
}

export interface DeliveryOptions {
  readonly maxAgeMs: number;
  /** As stored: so much is given up in one go where it has grown too old. */
  readonly pieceBytes: number;
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
  readonly #options: DeliveryOptions;
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

  constructor(parts: DeliveryParts, options: DeliveryOptions, start: DeliveryStart) {
    this.#parts = parts;
    this.#options = options;
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

  /** Nothing from `seq` on can be handed out yet: the disk refuses, or more of what is too old has to go before. */
  isHeldUpAt(seq: number): boolean {
    return this.blocked || (this.#parts.losses.expiring && seq <= this.#ackedSeq + 1);
  }

  /**
   * Up to `count` records from `fromSeq` on. While the disk refuses reads: those before the place where it does. Of what
   * is too old a piece is given up, and nothing is handed out where that was not all.
   */
  peek(fromSeq: number, count: number): Entry[] {
    const { losses } = this.#parts;
    const wasAckedSeq = this.#ackedSeq;
    const nextSeq = Math.max(fromSeq, wasAckedSeq + 1);
    const page: Page = { entries: [], count, nextSeq, leftBytes: this.#options.pieceBytes };
    try {
      this.#fill(page);
      this.#fault = undefined;
      if (nextSeq === wasAckedSeq + 1 && count > 0) losses.expiring = page.leftBytes <= 0;
    } catch (error) {
      if (!isFileError(error)) throw error;
      this.#fault = error.message;
    }
    if (this.#ackedSeq !== wasAckedSeq) this.#leave(wasAckedSeq);
    return page.entries;
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

  /** Gives up records up to `seq` by hand, so many of the oldest. What the disk does not show cannot be counted and stays. */
  drop(seq: number): number {
    const dropped = this.peek(0, DROP_PAGE).filter((entry) => entry.seq <= seq);
    const last = dropped.at(-1);
    if (last === undefined) return 0;
    const { losses, waiting } = this.#parts;
    const wasAckedSeq = this.#ackedSeq;
    losses.add(wasAckedSeq + 1, last.seq, dropped.length, "operator");
    this.#ackedSeq = last.seq;
    for (const entry of dropped) {
      losses.givenUp(entry.record);
      // What lies between was acknowledged ahead.
      waiting.settle(entry.seq - 1);
      waiting.settle(entry.seq, "full");
    }
    this.#ahead.forget(last.seq);
    this.#leave(wasAckedSeq);
    return dropped.length;
  }

  /** Drops what has grown too old at the head: a piece of it, and the next call goes on. */
  expire(): void {
    if (this.#parts.losses.expiring || this.#isExpired(this.head()?.oldest)) this.peek(0, 1);
  }

  /** Gives up the records of the oldest segment, each one counted. */
  discard(segment: Segment): void {
    // What was given up in it before goes with the rest.
    const reader = this.#openReader((hole) => {
      // It reads on into the next one, to see that this one has ended.
      const { fromSeq, toSeq } = { ...hole, toSeq: Math.min(hole.toSeq, segment.lastSeq) };
      if (fromSeq <= toSeq) this.#parts.losses.add(fromSeq, toSeq, toSeq - fromSeq + 1, "full");
    });
    const wasAckedSeq = this.#ackedSeq;
    try {
      reader.seek(wasAckedSeq + 1);
      for (let entry = reader.next(); entry && entry.seq <= segment.lastSeq; entry = reader.next())
        if (this.#ahead.endAt(entry.seq) === undefined) this.#giveUp(entry, "full");
    } catch (error) {
      if (!isFileError(error)) throw error;
      const unread = { fromSeq: this.#ackedSeq + 1, toSeq: segment.lastSeq };
      const count = sizeOf(this.#ahead.missing(unread));
      this.#parts.losses.unread(unread.fromSeq, unread.toSeq);
      if (count > 0) this.#parts.losses.add(unread.fromSeq, unread.toSeq, count, "full");
    } finally {
      reader.close();
    }
    this.#parts.losses.passed(wasAckedSeq + 1, this.#ackedSeq);
    this.#ackedSeq = Math.max(this.#ackedSeq, segment.lastSeq);
    this.#ahead.forget(this.#ackedSeq);
    this.save();
  }

  /** What lies at the acknowledged end of the log; undefined while the disk refuses reads. */
  head(): HeadPosition | undefined {
    this.#headFault = undefined;
    return this.#look(() => this.#head.locate(this.#ackedSeq));
  }

  /** Of the numbers acknowledged ahead, those whose records were left out where segments were rewritten. */
  aheadLeftOut(): number {
    return this.#look(() => this.#leftOut.count(this.#parts.log.segments, this.#ahead)) ?? 0;
  }

  /** Numbers whose records are not there. What is acknowledged ahead was delivered all the same. */
  missed(range: NumberRange, reason: "full" | "corrupt"): void {
    for (const { fromSeq, toSeq } of this.#ahead.missing(range))
      this.#parts.losses.found(fromSeq, toSeq, reason);
  }

  save(change: Partial<Progress> = {}): void {
    const { losses, progress } = this.#parts;
    // A killed process leaves the reports that it appended.
    const ackedSeq = Math.min(this.#ackedSeq, losses.firstUntoldSeq() - 1);
    // What is acknowledged ahead is not read again, and a loss in it would not be found again.
    const ahead = this.#ahead.ranges
      .map((range) => losses.securedPart(range))
      .filter(({ fromSeq, toSeq }) => fromSeq <= toSeq);
    progress.update({ ...change, ackedSeq, unsecured: ackedSeq - this.settledSeq, ahead });
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

  #fill(page: Page): void {
    const { log, waiting } = this.#parts;
    const isFull = () => page.entries.length >= page.count || page.leftBytes <= 0;
    while (page.nextSeq <= log.lastSeq && !isFull()) {
      const entry = this.#readerAt(page.nextSeq).next();
      if (entry === undefined) break;
      this.#take(entry, page);
    }
    // Not reached where the disk refuses reads: what waits in memory comes after what is there.
    while (!isFull()) {
      const next = waiting.peek(page.nextSeq, page.count - page.entries.length);
      if (next.length === 0) return;
      for (const entry of next) if (entry.seq >= page.nextSeq && !isFull()) this.#take(entry, page);
    }
  }

  #take(entry: LogEntry, page: Page): void {
    const atHead = page.entries.length === 0 && page.nextSeq === this.#ackedSeq + 1;
    const aheadSeq = this.#ahead.endAt(entry.seq);
    page.nextSeq = (aheadSeq ?? entry.seq) + 1;
    if (aheadSeq !== undefined) {
      if (atHead) this.#moveTo(aheadSeq);
    } else if (atHead && this.#isExpired(entry)) {
      this.#giveUp(entry, "expired");
      page.leftBytes -= storedBytes(entry.payload.length);
    } else page.entries.push({ seq: entry.seq, record: entry.payload });
  }

  #look<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (!isFileError(error)) throw error;
      this.#headFault = error.message;
      return undefined;
    }
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
      else this.missed({ fromSeq, toSeq }, kind);
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

  /** That its place is left is told once for many. */
  #giveUp({ seq, payload }: LogEntry, reason: "full" | "expired"): void {
    const { losses } = this.#parts;
    losses.add(seq, seq, 1, reason);
    losses.givenUp(payload);
    this.#ackedSeq = seq;
    this.#ahead.forget(seq);
    this.#parts.waiting.settle(seq, "full");
  }

  /** Records beyond `wasAckedSeq` have been given up, up to the acknowledged number. */
  #leave(wasAckedSeq: number): void {
    const { losses, waiting } = this.#parts;
    losses.passed(wasAckedSeq + 1, this.#ackedSeq);
    this.save(waiting.lost);
  }

  #isExpired(entry: LogEntry | undefined): boolean {
    const { clock } = this.#parts;
    const wallMs = knownTimeMs(entry);
    // By a clock that was not set, then or now, no record is old.
    return wallMs !== undefined && clock.synced() && clock.wallMs() - wallMs > this.#options.maxAgeMs;
  }
}
