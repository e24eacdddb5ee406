import type { Drop } from "../outbox.ts";
import { type NumberRange, NumberSet, sizeOf, spanOf } from "../state/number-set.ts";
import { condensed, joined } from "./accounts.ts";

/** Losses whose reports are in the log, but perhaps not on flash. */
interface Told extends NumberRange {
  /** No report of them has a higher number. */
  readonly reportSeq: number;
  /** Absent: told by an earlier run. */
  readonly drop?: Drop;
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
  /** Records are given up for their age, piece by piece, and there are more: what is lost to that is told when it ends. */
  expiring = false;
  readonly #accountsIn: (record: Uint8Array) => readonly Drop[];
  #pending: Drop[];
  /** Told before, in records that were themselves given up. */
  #again: Drop[];
  #taken: Drop[] = [];
  #told: Told[];
  /**
   * Losses that still go on: withheld until they end, so that reporting them does not feed them. With a tail, records that
   * found room can lie between those that found none.
   */
  #ongoing: Drop[] = [];
  /** Losses whose reports were themselves lost, in this run or told by an earlier one: withheld until there is room for another. */
  #unheard: Drop[] = [];
  /** Among records that are still there: its count is less than its numbers are. */
  #among: Drop | undefined;
  /** Numbers missing among records that are there, known in this run and not acknowledged yet. */
  readonly #holes = new NumberSet();
  /** Those whose account says all that is missing around them. */
  readonly #toldHoles = new NumberSet();
  /** Missing numbers that this run knows of and that are not acknowledged yet. */
  readonly #known = new NumberSet();

  /**
   * `accountsIn` says what a record tells of losses. `found` is what opening found lost, `told` what the last run reported
   * where a power cut may yet undo it, and `accounts` what is to be told again.
   */
  constructor(
    accountsIn: (record: Uint8Array) => readonly Drop[],
    found: readonly Drop[],
    told: readonly Told[],
    accounts: readonly Drop[],
  ) {
    this.#accountsIn = accountsIn;
    this.#told = [...told];
    this.#pending = [...found];
    this.#again = [...accounts];
    for (const drop of found) {
      this.total += drop.count;
      this.#known.add(drop);
    }
  }

  /**
   * Records given up. Joins the loss before it where it goes on from there for the same reason, or behind numbers that
   * were given up before.
   */
  add(fromSeq: number, toSeq: number, count: number, reason: Drop["reason"]): void {
    this.total += count;
    const at = this.#pending.findLastIndex((drop) => drop.reason === reason && this.#follows(drop, fromSeq));
    const before = this.#pending[at] ?? { fromSeq, count: 0 };
    put(this.#pending, at, { fromSeq: before.fromSeq, toSeq, count: before.count + count, reason });
  }

  /** A record is given up: what it told of is told again. */
  givenUp(record: Uint8Array): void {
    this.#again.push(...this.#accountsOf(record));
  }

  /** What is to be told again, and is not for certain yet. */
  get accounts(): readonly Drop[] {
    const told = this.#told.flatMap(({ drop }) => drop ?? []);
    const all = [...this.#again, ...this.#unheard, ...this.#taken, ...told];
    return condensed(all.filter(({ again }) => again));
  }

  /** Numbers that are missing and need no word. */
  expected(fromSeq: number, toSeq: number): void {
    this.#known.add({ fromSeq, toSeq });
  }

  /** Numbers that a reader missed. Of those told before in this run nothing is said. */
  found(fromSeq: number, toSeq: number, reason: "full" | "corrupt"): void {
    this.unread(fromSeq, toSeq);
    const untold = this.#known.missing({ fromSeq, toSeq });
    this.expected(fromSeq, toSeq);
    for (const part of untold) this.add(part.fromSeq, part.toSeq, sizeOf([part]), reason);
  }

  /** Records cannot be read: losses whose reports may be among them are told anew. */
  unread(fromSeq: number, toSeq: number): void {
    this.#tellAnew(this.#untell(fromSeq, toSeq));
  }

  /** Of numbers given up among others, those that have not been told in this run. */
  untoldHoles(fromSeq: number, toSeq: number): readonly NumberRange[] {
    return this.#toldHoles.missing({ fromSeq, toSeq });
  }

  /** Numbers given up among records that are still there, as a reader comes upon them, wherever it reads. */
  foundAmong(fromSeq: number, toSeq: number, reason: Drop["reason"]): void {
    const hole = { fromSeq, toSeq };
    const count = sizeOf(this.untoldHoles(fromSeq, toSeq));
    if (count === 0) return;
    this.total += sizeOf(this.#holes.missing(hole));
    this.#holes.add(hole);
    this.#toldHoles.add(hole);
    if (this.#among?.reason !== reason) this.#endAmong();
    const among = this.#among ?? { ...hole, count: 0 };
    this.#among = { ...spanOf(among, hole), count: among.count + count, reason };
  }

  /** More was given up of a range: what was told of it before is not all. */
  thinnedAnew(range: NumberRange): void {
    if (this.#toldHoles.count(range) === 0) return;
    this.#toldHoles.remove(range);
    // Told again, it is another account: in one with the former its numbers would count twice.
    this.#endAmong();
  }

  /** A record found no room; more may follow it. */
  goOn(seq: number): void {
    this.total++;
    const beside = this.#ongoing.findIndex(({ fromSeq, toSeq }) => seq >= fromSeq - 1 && seq <= toSeq + 1);
    // Beyond that many the youngest spans what lies between, and its count tells how many were lost.
    const at = beside < 0 && this.#ongoing.length === MAX_ONGOING ? MAX_ONGOING - 1 : beside;
    const one = { fromSeq: seq, toSeq: seq };
    const before = this.#ongoing[at] ?? { ...one, count: 0 };
    const wider = spanOf(before, one);
    this.#known.add(wider);
    put(this.#ongoing, at, { ...wider, count: before.count + 1, reason: "full" });
  }

  /** There is room again. */
  end(): void {
    this.#tellAnew([...this.#unheard, ...this.#ongoing]);
    this.#unheard = [];
    this.#ongoing = [];
  }

  /**
   * What is told again goes first: as long as the loss that it went with is not told, the next run finds it, and the
   * record that told of it.
   */
  take(): readonly Drop[] {
    const goesOn = ({ reason }: Drop) => this.expiring && reason === "expired";
    if (!this.expiring) this.#endAmong();
    const drops = [...joined(this.#again), ...this.#pending.filter((drop) => !goesOn(drop))];
    this.#again = [];
    this.#pending = this.#pending.filter(goesOn);
    this.#taken.push(...drops);
    return drops;
  }

  /** The log has gone on by record `reportSeq`: the oldest loss taken is told. Returns whether there was one. */
  settle(reportSeq: number): boolean {
    const drop = this.#taken.shift();
    if (drop !== undefined) this.#told.push({ fromSeq: drop.fromSeq, toSeq: drop.toSeq, reportSeq, drop });
    return drop !== undefined;
  }

  /** A record found no room. It may be the report of the oldest loss taken. */
  turnedAway(record: Uint8Array): void {
    const drop = this.#taken.shift();
    this.#unheard.push(...(drop ? [drop] : this.#accountsOf(record)));
  }

  /** A record is given up that waited. It may be the report of losses. */
  lost(seq: number, record: Uint8Array): void {
    const drops = this.#untell(seq, seq);
    this.#unheard.push(...(drops.length > 0 ? drops : this.#accountsOf(record)));
  }

  /** Records up to `seq` are on flash or delivered, and what they report is told for good. */
  secured(seq: number): void {
    if (this.#ongoing.every(({ toSeq }) => seq > toSeq)) this.end();
    if (this.#told.length > 0) this.#told = this.#told.filter(({ reportSeq }) => reportSeq > seq);
  }

  /** The first number whose loss a power cut would leave untold; Infinity: none. */
  firstUnsecuredSeq(): number {
    return firstOf(this.#unsecured());
  }

  /** The first number whose loss a kill would leave untold; Infinity: none. */
  firstUntoldSeq(): number {
    return firstOf(this.#untold());
  }

  /** What of a range comes before the first loss in it that a power cut would leave untold. */
  securedPart({ fromSeq, toSeq }: NumberRange): NumberRange {
    const within = this.#unsecured().filter((loss) => loss.fromSeq <= toSeq && loss.toSeq >= fromSeq);
    return { fromSeq, toSeq: Math.min(toSeq, firstOf(within) - 1) };
  }

  /** How many of the numbers from `fromSeq` to `toSeq` are known to be missing; forgets those. */
  passed(fromSeq: number, toSeq: number): number {
    const missing = this.#holes.count({ fromSeq, toSeq }) + this.#known.count({ fromSeq, toSeq });
    for (const numbers of [this.#holes, this.#toldHoles, this.#known]) numbers.forget(toSeq);
    return missing;
  }

  /** Whether nothing lies between a loss and `fromSeq`, or only what was given up before. */
  #follows({ toSeq }: Drop, fromSeq: number): boolean {
    const between = { fromSeq: toSeq + 1, toSeq: fromSeq - 1 };
    return between.toSeq - between.fromSeq + 1 === this.#holes.count(between);
  }

  /** Not what is told again: whoever gave up its record knows of it (see {@link accounts}). */
  #untold(): readonly NumberRange[] {
    const among = this.#among ? [this.#among] : [];
    const withheld = [...this.#ongoing, ...this.#unheard, ...this.#pending, ...this.#taken];
    return [...among, ...withheld.filter(({ again }) => !again)];
  }

  #unsecured(): readonly NumberRange[] {
    return [...this.#untold(), ...this.#told.filter(({ drop }) => !drop?.again)];
  }

  #tellAnew(drops: readonly Drop[]): void {
    for (const drop of drops) (drop.again ? this.#again : this.#pending).push(drop);
  }

  /** Takes back that losses were told whose reports are among these records. */
  #untell(fromSeq: number, toSeq: number): readonly Drop[] {
    const undone = this.#told.filter(
      ({ reportSeq, drop }) => drop && reportSeq >= fromSeq && reportSeq <= toSeq,
    );
    this.#told = this.#told.filter((told) => !undone.includes(told));
    return undone.map(({ drop }) => drop!);
  }

  #accountsOf(record: Uint8Array): readonly Drop[] {
    return this.#accountsIn(record).map((account) => ({ ...account, again: true }));
  }

  #endAmong(): void {
    if (this.#among !== undefined) this.#pending.push(this.#among);
    this.#among = undefined;
  }
}

/** In the place of the one there, or, where that is -1, behind all. */
function put(drops: Drop[], at: number, drop: Drop): void {
  drops.splice(at < 0 ? drops.length : at, 1, drop);
}

function firstOf(ranges: readonly NumberRange[]): number {
  return Math.min(...ranges.map(({ fromSeq }) => fromSeq));
}
