import { Losses, type Missing, sizeOf } from "./losses.ts";
import { type Range, RangeSet } from "./ranges.ts";

/** What a consumer can prove about one device from what it received. */
export interface Verdict {
  readonly device: string;
  readonly stream: string | undefined;
  /** Lowest number that came in its turn, and highest number seen; undefined before the first record. */
  readonly firstSeq: number | undefined;
  readonly lastSeq: number | undefined;
  /** Different records received, from `firstSeq` on. */
  readonly received: number;
  /** Records received more than once, counted each time again. */
  readonly duplicates: number;
  /** Records that somebody had sent again (`"resent":true`) although they had been received, or are from before `firstSeq`. */
  readonly resent: number;
  /** Records that the node itself reported lost (`event/dropped`): at most so many, as accounts may overlap. */
  readonly dropped: number;
  /** Numbers that the node reported as unknowable after a power cut (`event/boot`, `skipped`). */
  readonly skipped: number;
  /** Where records are neither received nor reported: must be empty. */
  readonly missing: readonly Missing[];
  /** How many those are. */
  readonly lost: number;
  /** Runs of the node seen to begin. */
  readonly boots: number;
}

/** The parts of a record that completeness depends on (contract: readings and events). */
interface Accountable {
  readonly seq: number;
  readonly stream?: string;
  readonly skipped?: { readonly from_seq: number; readonly to_seq: number };
  readonly from_seq?: number;
  readonly to_seq?: number;
  readonly count?: number;
  readonly reason?: string;
  readonly message_seq?: number;
  readonly resent?: boolean;
}

/** Keeps the account of one device's stream: every number is received, reported lost, or missing. */
export class Ledger {
  readonly #device: string;
  #stream: string | undefined;
  #received = new RangeSet();
  /** Lowest number that came in its turn: a consumer that asks for a few older records does not miss those between. */
  #firstInTurn = Infinity;
  #losses = new Losses();
  /** What was reported in streams before this one. */
  #reportedBefore = { dropped: 0, skipped: 0 };
  #duplicates = 0;
  #resent = 0;
  #boots = 0;

  constructor(device: string) {
    this.#device = device;
  }

  /** Takes one message below the device's topic root; ignores what is not part of the stream. */
  observe(topic: string, payload: string): void {
    if (!topic.startsWith("telemetry/") && !topic.startsWith("event/")) return;
    const record = parseAccountable(payload);
    if (!record) return;
    if (topic === "event/boot") this.#boot(record);
    if (this.#received.has(record.seq)) {
      if (record.resent === true) this.#resent++;
      else this.#duplicates++;
      return;
    }
    this.#received.add(record.seq);
    if (record.resent !== true) this.#firstInTurn = Math.min(this.#firstInTurn, record.seq);
    if (topic === "event/boot") this.#skip(rangeOf(record.skipped));
    // A message of the user's own code took that number; it went to a topic of its own.
    if (topic === "event/message" && record.message_seq !== undefined)
      this.#losses.excuse(record.message_seq);
    if (topic === "event/dropped") this.#drop(record);
  }

  verdict(): Verdict {
    const { ranges, size } = this.#received;
    const lastSeq = ranges.at(-1)?.to;
    const firstSeq = Number.isFinite(this.#firstInTurn) ? this.#firstInTurn : ranges[0]?.from;
    const gaps =
      firstSeq === undefined || lastSeq === undefined ? [] : this.#received.gaps(firstSeq, lastSeq);
    const missing = this.#losses.missing(gaps);
    const before = firstSeq === undefined ? 0 : size + sizeOf(gaps) - (lastSeq! - firstSeq + 1);
    const reported = this.#reported();
    return {
      device: this.#device,
      stream: this.#stream,
      firstSeq,
      lastSeq,
      received: size - before,
      duplicates: this.#duplicates,
      resent: this.#resent + before,
      dropped: reported.dropped,
      skipped: reported.skipped,
      missing,
      lost: sizeOf(missing),
      boots: this.#boots,
    };
  }

  #skip(range: Range | undefined): void {
    if (range) this.#losses.skip(range);
  }

  #drop(record: Accountable): void {
    const range = rangeOf(record);
    if (!range) return;
    // Told again for a boot that was itself given up; its count says nothing, as most of these numbers were never used.
    if (record.reason === "skipped") this.#skip(range);
    else this.#losses.drop({ ...range, count: record.count ?? Infinity }, String(record.reason));
  }

  #reported(): { dropped: number; skipped: number } {
    const { dropped, skipped } = this.#reportedBefore;
    return { dropped: dropped + this.#losses.dropped, skipped: skipped + this.#losses.skipped };
  }

  /** A new stream begins its numbers anew: what was known of the old one says nothing about it. */
  #boot(record: Accountable): void {
    if (!this.#received.has(record.seq) && record.resent !== true) this.#boots++;
    if (this.#stream !== undefined && record.stream !== this.#stream) {
      this.#reportedBefore = this.#reported();
      this.#received = new RangeSet();
      this.#firstInTurn = Infinity;
      this.#losses = new Losses();
    }
    this.#stream = record.stream;
  }
}

function rangeOf(account: Accountable["skipped"] | Accountable): Range | undefined {
  const { from_seq: from, to_seq: to } = account ?? {};
  return from !== undefined && to !== undefined && from <= to ? { from, to } : undefined;
}

function parseAccountable(payload: string): Accountable | undefined {
  try {
    const value: unknown = JSON.parse(payload);
    const seq = (value as Accountable | null)?.seq;
    return Number.isSafeInteger(seq) && seq! > 0 ? (value as Accountable) : undefined;
  } catch {
    return undefined;
  }
}
