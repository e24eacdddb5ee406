import type { NumberRange } from "./ahead.ts";
import type { Drop } from "./outbox.ts";

/** Losses whose reports are in the log, but perhaps not on flash. */
interface Told {
  readonly fromSeq: number;
  /** No report of them has a higher number. */
  readonly reportSeq: number;
}

/** Losses apart from each other that go on at once. */
const MAX_ONGOING = 64;

/**
 * Keeps account of what is lost: each loss is told once in a run, and counts as told only when the log has gone on
 * after it was taken, because until then the report itself may be lost: to a kill, and until it is on flash or
 * delivered also to a power cut.
 */
export class Losses {
  /** Records lost in this run. */
  total = 0;
  #pending: Drop[];
  #taken: Drop[] = [];
  #told: Told[];
  /**
   * Losses that still go on: withheld until they end, so that reporting them does not feed them. With a tail, records that
   * found room can lie between those that found none.
   */
  #ongoing: Drop[] = [];
  /** Among records that are still there: its count is less than its numbers are. */
  #among: Drop | undefined;
  /** Numbers missing among records that are there, told in this run and not acknowledged yet, in order. */
  #holes: NumberRange[] = [];
  /** Those up to here were told. */
  #holesToldSeq = 0;
  /** Missing numbers that this run knows of and that are not acknowledged yet: first to last. */
  readonly #known = new Map<number, number>();

  /** `found` is what opening found lost, `told` what the last run reported where a power cut may yet undo it. */
  constructor(found: readonly Drop[], told: readonly Told[] = []) {
    this.#told = [...told];
    this.#pending = [...found];
    for (const { fromSeq, toSeq, count } of found) {
      this.total += count;
      this.#known.set(fromSeq, toSeq);
    }
  }

  /**
   * Records given up. Joins the loss before it where it goes on from there for the same reason, or behind numbers that
   * were given up before.
   */
  add(fromSeq: number, toSeq: number, count: number, reason: Drop["reason"]): void {
    this.total += count;
    const last = this.#pending.at(-1);
    if (last?.reason === reason && (last.toSeq + 1 === fromSeq || this.#isHole(last.toSeq + 1, fromSeq - 1)))
      this.#pending[this.#pending.length - 1] = { ...last, toSeq, count: last.count + count };
    else this.#pending.push({ fromSeq, toSeq, count, reason });
  }

  /** Numbers that are missing and need no word. */
  expected(fromSeq: number, toSeq: number): void {
    if (!this.#knows(fromSeq, toSeq)) this.#known.set(fromSeq, toSeq);
  }

  /** Numbers that a reader missed. Told before in this run: nothing happens. */
  found(fromSeq: number, toSeq: number, reason: "full" | "corrupt"): void {
    if (this.#knows(fromSeq, toSeq)) return;
    this.#known.set(fromSeq, toSeq);
    this.add(fromSeq, toSeq, toSeq - fromSeq + 1, reason);
  }

  /** Whether numbers up to `seq` that were given up among others have been told in this run. */
  holesTold(seq: number): boolean {
    return seq <= this.#holesToldSeq;
  }

  /** Numbers given up among records that are still there, as a reader comes upon them in order. */
  foundAmong(fromSeq: number, toSeq: number, reason: Drop["reason"]): void {
    if (this.holesTold(toSeq)) return;
    const count = toSeq - fromSeq + 1;
    this.total += count;
    this.#holesToldSeq = toSeq;
    const before = this.#holes.at(-1);
    if (before?.toSeq === fromSeq - 1) this.#holes.splice(-1, 1, { fromSeq: before.fromSeq, toSeq });
    else this.#holes.push({ fromSeq, toSeq });
    if (this.#among?.reason === reason)
      this.#among = { ...this.#among, toSeq, count: this.#among.count + count };
    else {
      this.#endAmong();
      this.#among = { fromSeq, toSeq, count, reason };
    }
  }

  /** More was given up from `fromSeq` on: what was told of it before is not all. */
  thinnedAnew(fromSeq: number): void {
    if (!this.holesTold(fromSeq)) return;
    this.#holesToldSeq = fromSeq - 1;
    this.#holes = this.#holes.filter(({ toSeq }) => toSeq < fromSeq);
  }

  /** A record found no room; more may follow it. */
  goOn(seq: number): void {
    this.total++;
    const beside = this.#ongoing.findIndex(({ fromSeq, toSeq }) => seq >= fromSeq - 1 && seq <= toSeq + 1);
    // Beyond that many the youngest spans what lies between, and its count tells how many were lost.
    const at = beside < 0 && this.#ongoing.length === MAX_ONGOING ? MAX_ONGOING - 1 : beside;
    const { fromSeq, toSeq, count } = this.#ongoing[at] ?? { fromSeq: seq, toSeq: seq, count: 0 };
    const wider = { fromSeq: Math.min(fromSeq, seq), toSeq: Math.max(toSeq, seq), count: count + 1 };
    this.#known.delete(fromSeq);
    this.#known.set(wider.fromSeq, wider.toSeq);
    this.#ongoing.splice(at < 0 ? this.#ongoing.length : at, 1, { ...wider, reason: "full" });
  }

  /** There is room again. */
  end(): void {
    this.#pending.push(...this.#ongoing);
    this.#ongoing = [];
  }

  take(): readonly Drop[] {
    this.#endAmong();
    const drops = this.#pending;
    this.#pending = [];
    this.#taken.push(...drops);
    return drops;
  }

  /** The log has gone on by record `reportSeq`: the oldest loss taken is told. Returns whether there was one. */
  settle(reportSeq: number): boolean {
    const drop = this.#taken.shift();
    if (drop !== undefined) this.#told.push({ fromSeq: drop.fromSeq, reportSeq });
    return drop !== undefined;
  }

  /** Records up to `seq` are on flash or delivered, and what they report is told for good. */
  secured(seq: number): void {
    if (this.#ongoing.every(({ toSeq }) => seq > toSeq)) this.end();
    if (this.#told.length > 0) this.#told = this.#told.filter(({ reportSeq }) => reportSeq > seq);
  }

  /** The first number whose loss a power cut would leave untold; Infinity: none. */
  firstUnsecuredSeq(): number {
    return this.#told.reduce((first, { fromSeq }) => Math.min(first, fromSeq), this.firstUntoldSeq());
  }

  /** The first number whose loss a kill would leave untold; Infinity: none. */
  firstUntoldSeq(): number {
    let firstSeq = this.#among?.fromSeq ?? Infinity;
    for (const drop of this.#ongoing) firstSeq = Math.min(firstSeq, drop.fromSeq);
    for (const drop of this.#pending) firstSeq = Math.min(firstSeq, drop.fromSeq);
    for (const drop of this.#taken) firstSeq = Math.min(firstSeq, drop.fromSeq);
    return firstSeq;
  }

  /** How many of the numbers from `fromSeq` to `toSeq` are known to be missing; forgets those. */
  passed(fromSeq: number, toSeq: number): number {
    let missing = this.#passHoles(fromSeq, toSeq);
    for (const [firstSeq, lastSeq] of this.#known) {
      missing += Math.max(0, Math.min(toSeq, lastSeq) - Math.max(fromSeq, firstSeq) + 1);
      if (lastSeq <= toSeq) this.#known.delete(firstSeq);
    }
    return missing;
  }

  /** Whether all of these numbers, younger than most, were given up among others. */
  #isHole(fromSeq: number, toSeq: number): boolean {
    const hole = this.#holes.findLast((hole) => hole.fromSeq <= toSeq);
    return hole !== undefined && hole.fromSeq <= fromSeq && fromSeq <= toSeq && toSeq <= hole.toSeq;
  }

  #passHoles(fromSeq: number, toSeq: number): number {
    let missing = 0;
    let passed = 0;
    for (const hole of this.#holes) {
      if (hole.fromSeq > toSeq) break;
      missing += Math.max(0, Math.min(toSeq, hole.toSeq) - Math.max(fromSeq, hole.fromSeq) + 1);
      if (hole.toSeq <= toSeq) passed++;
    }
    if (passed > 0) this.#holes.splice(0, passed);
    return missing;
  }

  #endAmong(): void {
    if (this.#among !== undefined) this.#pending.push(this.#among);
    this.#among = undefined;
  }

  #knows(fromSeq: number, toSeq: number): boolean {
    for (const [firstSeq, lastSeq] of this.#known) if (firstSeq <= fromSeq && toSeq <= lastSeq) return true;
    return false;
  }
}
