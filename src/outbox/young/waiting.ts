import { type GapKind, gap, isGap, type LogEntry, storedBytes } from "../segments/segment-format.ts";
import type { Progress } from "../state/progress.ts";

/**
 * What belongs into the log before the next record: gaps that explain missing numbers, the records in the tail, and,
 * while the disk refuses writes, records that are nowhere else. Always the youngest of the stream, in order, without a
 * hole.
 */
export class Waiting {
  readonly #maxBytes: number;
  readonly #isEvent: (record: Uint8Array) => boolean;
  /** Those among the records that go last; looked for when some have to go, which hardly ever is so. */
  #events: Set<LogEntry> | undefined;
  #entries: LogEntry[];
  /** Bytes of the records among them, as stored. */
  #bytes = 0;
  #records = 0;
  #payloadBytes = 0;

  constructor(
    maxBytes: number,
    entries: readonly LogEntry[],
    isEvent: (record: Uint8Array) => boolean = () => false,
  ) {
    this.#maxBytes = maxBytes;
    this.#isEvent = isEvent;
    this.#entries = [];
    for (const entry of entries) this.push(entry);
  }

  get empty(): boolean {
    return this.#entries.length === 0;
  }

  /** Records that are not in the log. */
  get records(): number {
    return this.#records;
  }

  get payloadBytes(): number {
    return this.#payloadBytes;
  }

  get first(): LogEntry | undefined {
    return this.#entries[0];
  }

  /** The records before the first gap, as many as have `maxBytes` of payload together. */
  firstRecords(maxBytes: number): readonly LogEntry[] {
    let bytes = 0;
    const end = this.#entries.findIndex(({ kind, payload }) => {
      bytes += payload.length;
      return kind !== "record" || bytes > maxBytes;
    });
    if (this.first?.kind !== "record") return [];
    return this.#entries.slice(0, end < 0 ? this.#entries.length : Math.max(1, end));
  }

  get oldestRecord(): LogEntry | undefined {
    return this.#entries.find(({ kind }) => kind === "record");
  }

  get lastRecord(): LogEntry | undefined {
    return this.#entries.findLast(({ kind }) => kind === "record");
  }

  /** The numbers among them whose records were given up. */
  get lost(): Pick<Progress, "lostFromSeq" | "lostToSeq"> {
    const lost = this.#entries.filter(({ kind }) => kind === "full");
    return { lostFromSeq: lost[0]?.fromSeq ?? 0, lostToSeq: lost.at(-1)?.seq ?? 0 };
  }

  /** Adds to the end; a gap joins one of its kind. */
  push(entry: LogEntry): void {
    const last = this.#entries.at(-1);
    if (isGap(entry) && last?.kind === entry.kind)
      this.#entries[this.#entries.length - 1] = gap(entry.kind, last.fromSeq, entry.seq);
    else this.#entries.push(entry);
    this.#count(entry, 1);
  }

  /** Puts what a failed sync has made doubtful before the rest. */
  unshift(entries: readonly LogEntry[]): void {
    const behind = this.#entries;
    this.#entries = [];
    this.#events = undefined;
    this.#bytes = this.#records = this.#payloadBytes = 0;
    for (const entry of [...entries, ...behind]) this.push(entry);
  }

  /** Gives up the oldest readings, and then events, until the rest is within the bound. Tells each one. */
  shed(onLost: (record: LogEntry) => void): void {
    while (this.#bytes > this.#maxBytes) {
      const events = this.#knownEvents();
      const isNext = events.size < this.#records ? readingBeside(events) : isRecord;
      onLost(this.#turn(isNext, "full"));
    }
  }

  /** Gives up every reading. */
  shedReadings(onLost: (record: LogEntry) => void): void {
    const events = this.#knownEvents();
    const isReading = readingBeside(events);
    while (events.size < this.#records) onLost(this.#turn(isReading, "full"));
  }

  /** Gives up every record. */
  shedAll(onLost: (record: LogEntry) => void): void {
    while (this.#records > 0) onLost(this.#turn(isRecord, "full"));
  }

  /** Records up to `seq` need no place in the log any more. `full`: they were given up, which a kill may leave untold. */
  settle(seq: number, kind: "accounted" | "full" = "accounted"): void {
    while (this.#records > 0 && this.oldestRecord!.seq <= seq) this.#turn(isRecord, kind);
  }

  /** The first entry is in the log now. */
  shift(): void {
    this.#count(this.#entries.shift()!, -1);
  }

  /** Up to `count` records from `fromSeq` on. */
  peek(fromSeq: number, count: number): LogEntry[] {
    const found: LogEntry[] = [];
    for (const entry of this.#entries) {
      if (found.length === count) break;
      if (entry.kind === "record" && entry.seq >= fromSeq) found.push(entry);
    }
    return found;
  }

  #knownEvents(): Set<LogEntry> {
    this.#events ??= new Set(
      this.#entries.filter((entry) => isRecord(entry) && this.#isEvent(entry.payload)),
    );
    return this.#events;
  }

  /** Makes a gap of the first such record, and one with gaps of its kind beside it. Returns the record. */
  #turn(isNext: (entry: LogEntry) => boolean, kind: GapKind): LogEntry {
    const at = this.#entries.findIndex(isNext);
    const entry = this.#entries[at]!;
    this.#count(entry, -1);
    const before = this.#entries[at - 1];
    const after = this.#entries[at + 1];
    const first = before?.kind === kind ? before : entry;
    const last = after?.kind === kind ? after : entry;
    const from = first === entry ? at : at - 1;
    this.#entries.splice(from, (last === entry ? at : at + 1) - from + 1, gap(kind, first.fromSeq, last.seq));
    return entry;
  }

  #count(entry: LogEntry, sign: 1 | -1): void {
    if (entry.kind !== "record") return;
    this.#bytes += sign * storedBytes(entry.payload.length);
    this.#records += sign;
    this.#payloadBytes += sign * entry.payload.length;
    if (sign === -1) this.#events?.delete(entry);
    else if (this.#events && this.#isEvent(entry.payload)) this.#events.add(entry);
    if (this.#records === 0) this.#events = undefined;
  }
}

function readingBeside(events: ReadonlySet<LogEntry>): (entry: LogEntry) => boolean {
  return (entry) => isRecord(entry) && !events.has(entry);
}

function isRecord({ kind }: LogEntry): boolean {
  return kind === "record";
}
