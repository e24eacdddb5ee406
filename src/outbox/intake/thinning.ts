import type { Clock } from "../../device/clock.ts";
import type { Delivery } from "../delivery/delivery.ts";
import type { Losses } from "../delivery/losses.ts";
import { type FileLayer, isMediumError } from "../files/files.ts";
import { Draft } from "../segments/draft.ts";
import { entriesOf, type Segment } from "../segments/segment.ts";
import { gap, isGap, type Level, type LogEntry } from "../segments/segment-format.ts";
import type { Replacement, SegmentLog } from "../segments/segment-log.ts";

/**
 * The series that a record belongs to, one sensor's readings for example, of which some may go where not all find room.
 * Undefined: an event, which goes only when no reading is left to go.
 */
export type SeriesOf = (record: Uint8Array) => string | undefined;

export interface ThinningParts {
  readonly clock: Clock;
  readonly files: FileLayer;
  readonly log: SegmentLog;
  readonly delivery: Delivery;
  readonly losses: Losses;
}

/** What is left of readings, step by step. */
const LEVELS: readonly Level[] = ["half", "quarter", "events"];

/** Whose turn it is where thinning stopped: the number that follows, and the series whose next reading goes. */
interface Turn {
  readonly nextSeq: number;
  readonly series: ReadonlySet<string>;
}

/** The oldest segments, and up to where no record of theirs is needed. */
interface Old {
  readonly segments: readonly Segment[];
  readonly ackedSeq: number;
}

/** What is to be written in the place of which segments. */
interface Plan {
  readonly draft: Draft;
  readonly sources: readonly Segment[];
}

/** Yields after each piece of work, and a segment where one must be synced before it goes on. */
type Pieces<T> = Generator<Replacement | undefined, T>;

/** A millisecond on a desktop computer, ten on a small board. */
const PIECE_RECORDS = 256;

/** Pause between looks at a segment that cannot be read. */
const REREAD_MS = 60_000;

/** Part of the room that readings of which a half, or a quarter, is left may take before they are thinned further. */
const SHARE = 1 / 4;

/**
 * Makes room in a log that is full: writes its oldest segments anew with less in them. Where it may thin, readings grow
 * sparse with age (all of them, every second, every fourth, none); else the oldest readings go at once. Events stay.
 */
export class Thinning {
  readonly #parts: ThinningParts;
  readonly #seriesOf: SeriesOf;
  /** What the oldest readings become. */
  readonly #levels: readonly Level[];
  #begun: Pieces<boolean> | undefined;
  /** Written beforehand, and on its way to flash. */
  #syncing: Replacement | undefined;
  /** What would not fit into a segment although there is less of it, as many events that compress badly do not. */
  readonly #stuck: Record<Level, WeakSet<Segment>> = {
    half: new WeakSet(),
    quarter: new WeakSet(),
    events: new WeakSet(),
  };
  /** Until when a segment that the medium did not give back is left alone: each look at it may take seconds. */
  readonly #unreadableUntilMs = new WeakMap<Segment, number>();
  /** How the last segment was thinned, so that the next one goes on evenly. */
  readonly #turns = new Map<Level, Turn>();

  /** `gradually`: readings are thinned before they are given up. */
  constructor(parts: ThinningParts, seriesOf: SeriesOf, gradually: boolean) {
    this.#parts = parts;
    this.#seriesOf = seriesOf;
    this.#levels = gradually ? LEVELS : ["events"];
  }

  /**
   * One step towards a free segment: some of the oldest are written anew. False: there is nothing to be gained that way,
   * and the oldest may go as it is. Only what is on flash, numbers up to `syncedSeq`, is touched, and nothing kept of what
   * is acknowledged for certain, up to `ackedSeq`. Needs a free segment; throws where the disk cannot be written.
   */
  step(syncedSeq: number, ackedSeq: number): boolean {
    const begun = this.#begun;
    this.#begun = undefined;
    // The system tells of a failed sync once: another one that ends meanwhile proves nothing.
    if (this.#syncing !== undefined) begun?.return(false);
    this.#syncing = undefined;
    // What was begun beforehand is brought to its end. Meanwhile more may be on flash than it knew.
    return (begun !== undefined && finish(begun)) || finish(this.#pieces(syncedSeq, ackedSeq));
  }

  /**
   * A piece of such a step, so small that it holds nothing up. Undefined: there is more to come. Rejects where the disk
   * cannot be written.
   */
  async piece(syncedSeq: number, ackedSeq: number): Promise<boolean | undefined> {
    const pieces = this.#begun ?? this.#pieces(syncedSeq, ackedSeq);
    this.#begun = pieces;
    try {
      const { done, value } = pieces.next();
      if (done) this.#begun = undefined;
      if (done) return value;
      this.#syncing = value;
      await value?.sync();
      return undefined;
    } catch (error) {
      if (this.#begun === pieces) this.abandon();
      throw error;
    } finally {
      this.#syncing = undefined;
    }
  }

  /** Leaves what was begun. */
  abandon(): void {
    this.#begun?.return(false);
    this.#begun = undefined;
  }

  *#pieces(syncedSeq: number, ackedSeq: number): Pieces<boolean> {
    const { log, losses } = this.#parts;
    if (log.freeSegments === 0) return false;
    const end = log.segments.findIndex((segment) => log.isActive(segment) || segment.lastSeq > syncedSeq);
    const segments = log.segments.slice(0, end < 0 ? log.segments.length : end);
    const wanted = this.#wanted(segments);
    for (const level of [wanted, ...this.#levels.filter((other) => other !== wanted)]) {
      const plan = yield* this.#plan({ segments, ackedSeq }, level);
      if (plan === undefined) continue;
      const [oldest] = plan.sources;
      // Nothing that waits would be left at the very beginning.
      if (oldest === undefined) return false;
      if (yield* this.#carryOut(plan))
        losses.thinnedAnew({ fromSeq: oldest.header.firstSeq, toSeq: plan.sources.at(-1)!.lastSeq });
      return true;
    }
    return false;
  }

  *#carryOut({ draft, sources }: Plan): Pieces<boolean> {
    // Meanwhile some may have been delivered, and their files used for others.
    const areThere = () => sources.every(({ retired }) => !retired);
    if (!areThere() || this.#parts.log.freeSegments === 0) return false;
    const replacement = this.#parts.log.prepare(sources, draft);
    let isOnFlash = false;
    try {
      yield replacement;
      isOnFlash = areThere();
    } finally {
      if (isOnFlash) replacement.putInPlace();
      else replacement.giveUp();
    }
    return isOnFlash;
  }

  /** The level that a part of the old segments should be brought to. */
  #wanted(old: readonly Segment[]): Level {
    if (this.#levels.length === 1) return "events";
    const share = Math.max(1, Math.floor(this.#parts.log.capacity * SHARE));
    const count = (level: Level) => old.filter(({ header }) => header.rewritten?.level === level).length;
    if (count("quarter") > share) return "events";
    return count("half") > share ? "quarter" : "half";
  }

  /** How the oldest segments that hold more are brought to `level`. Undefined: there are none, or nothing is gained. */
  *#plan(old: Old, level: Level): Pieces<Plan | undefined> {
    for (const [at, segment] of old.segments.entries()) {
      if (!this.#mayBecome(segment, level)) continue;
      // Behind what was brought there before, where that has room.
      const before = old.segments[at - 1];
      const joins = before?.header.rewritten?.level === level && this.#isReadable(before);
      const plan =
        (joins ? yield* this.#draft(old, at, level, before) : undefined) ??
        (yield* this.#draft(old, at, level));
      if (plan !== undefined) return plan;
      if (this.#isReadable(segment)) this.#stuck[level].add(segment);
    }
    return undefined;
  }

  #isReadable(segment: Segment): boolean {
    return this.#parts.clock.monotonicMs() >= (this.#unreadableUntilMs.get(segment) ?? 0);
  }

  /** A segment goes from level to level, and passes over one at which it finds no room. */
  #mayBecome(segment: Segment, level: Level): boolean {
    if (this.#stuck[level].has(segment) || !this.#isReadable(segment)) return false;
    const now =
      segment.header.rewritten === undefined ? 0 : LEVELS.indexOf(segment.header.rewritten.level) + 1;
    const then = LEVELS.indexOf(level) + 1;
    if (now >= then) return false;
    return (
      this.#levels.length === 1 || LEVELS.slice(now, then - 1).every((one) => this.#stuck[one].has(segment))
    );
  }

  /** Segments from the `at`th on, behind what `before` holds, as many as it takes to gain one. Undefined: they do not fit. */
  *#draft({ segments, ackedSeq }: Old, at: number, level: Level, before?: Segment): Pieces<Plan | undefined> {
    const { files, log } = this.#parts;
    const sources: Segment[] = [];
    const from = segments.slice(before ? at - 1 : at);
    let draft = new Draft(level, from[0]!.header.firstSeq);
    for (const segment of from) {
      const copies = segment === before;
      // Segments of another size may give back less than they take.
      const enough = sources.length > 1 && bytesOf(sources) >= log.segmentBytes;
      if (!copies && (enough || !this.#mayBecome(segment, level))) break;
      const longer = draft.clone();
      let turn: Turn | undefined;
      try {
        if (copies) for (const entry of withGaps(files, segment, Infinity)) longer.copy(entry);
        else turn = yield* this.#thin(segment, level, ackedSeq, longer);
      } catch (error) {
        if (!isMediumError(error)) throw error;
        // What cannot be read cannot be kept. It may be there again by the time that it has to go.
        this.#unreadableUntilMs.set(segment, this.#parts.clock.monotonicMs() + REREAD_MS);
        break;
      }
      if (!copies && segment === segments[0] && longer.records === 0) return { draft, sources: [] };
      if (longer.bytes > log.segmentBytes) break;
      if (turn) this.#turns.set(level, turn);
      draft = longer;
      sources.push(segment);
    }
    const gains = sources.length > (before ? 1 : 0) && bytesOf(sources) >= log.segmentBytes;
    return gains ? { draft, sources } : undefined;
  }

  /** Adds what is left of a segment to a draft. */
  *#thin(segment: Segment, level: Level, ackedSeq: number, draft: Draft): Pieces<Turn> {
    const { files, delivery } = this.#parts;
    const { firstSeq } = segment.header;
    const before = this.#turns.get(level);
    const series = new Set(before?.nextSeq === firstSeq ? before.series : []);
    let records = 0;
    for (const entry of withGaps(files, segment, 0)) {
      if (++records % PIECE_RECORDS === 0) yield;
      if (isGap(entry)) {
        const isHole = entry.kind === "thinned" || entry.kind === "displaced";
        if (!isHole) draft.tell(entry.kind, entry.fromSeq, entry.seq);
      } else if (delivery.isAcknowledgedAhead(entry.seq)) draft.tell("accounted", entry.seq, entry.seq);
      else if (entry.seq > ackedSeq && this.#stays(entry, level, series)) draft.keep(entry);
    }
    draft.finish(segment.lastSeq);
    return { nextSeq: segment.lastSeq + 1, series };
  }

  #stays({ payload }: LogEntry, level: Level, leavingOut: Set<string>): boolean {
    const series = this.#seriesOf(payload);
    if (series === undefined) return true;
    if (level === "events" || leavingOut.delete(series)) return false;
    leavingOut.add(series);
    return true;
  }
}

function bytesOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

function finish(pieces: Pieces<boolean>): boolean {
  try {
    for (;;) {
      const { done, value } = pieces.next();
      if (done) return value;
      value?.syncNow();
    }
  } finally {
    // Where the disk refuses, what was written goes.
    pieces.return(false);
  }
}

/** Entries that tell of every number of a segment: what cannot be read is a corrupt gap. */
function* withGaps(files: FileLayer, segment: Segment, wholeUntilSeq: number): IterableIterator<LogEntry> {
  let nextSeq = segment.header.firstSeq;
  for (const entry of entriesOf(files, segment, wholeUntilSeq)) {
    if (entry.fromSeq > nextSeq) yield gap("corrupt", nextSeq, entry.fromSeq - 1);
    yield entry;
    nextSeq = entry.seq + 1;
  }
  if (segment.lastSeq >= nextSeq) yield gap("corrupt", nextSeq, segment.lastSeq);
}
