import { formatRange, type Range, RangeSet } from "./ranges.ts";

/** What an `event/dropped` says: of the numbers of a range, `count` are gone. */
export interface LossAccount extends Range {
  readonly count: number;
}

/** Numbers that nobody accounts for. */
export interface Missing extends Range {
  /** How many of the range; absent: every one. Which ones they are cannot be told: the others are accounted for. */
  readonly count?: number;
}

/**
 * What a node said of numbers of one stream that never come.
 *
 * An account that counts fewer than its range does not say which numbers are gone, and two accounts that overlap need not
 * mean the same ones: thinning what was thinned before gives up others of the same range. So numbers are excused as long
 * as there is a way to give each one to an account whose range it lies in and whose count still allows for it. What is
 * left over in the best such way is missing, however the losses were spread. Only the very same account is known to be
 * one that was told twice.
 */
export class Losses {
  /** Numbers that need no other word. */
  readonly #excused = new RangeSet();
  readonly #skipped = new RangeSet();
  /** Of the accounts whose ranges are gone as a whole. */
  readonly #gone = new RangeSet();
  /** The accounts that count fewer, by what they say. */
  readonly #partial = new Map<string, LossAccount>();

  /** Numbers that were reserved, and of whose records nothing is known. */
  skip({ from, to }: Range): void {
    this.#skipped.add(from, to);
    this.#excused.add(from, to);
  }

  /** A number whose record went elsewhere. */
  excuse(seq: number): void {
    this.#excused.add(seq);
  }

  drop({ from, to, count }: LossAccount, reason: string): void {
    if (count > to - from) {
      this.#gone.add(from, to);
      this.#excused.add(from, to);
    } else if (count > 0) this.#partial.set(`${from} ${to} ${count} ${reason}`, { from, to, count });
  }

  get skipped(): number {
    return this.#skipped.size;
  }

  /** How many numbers at most are accounted for as given up, whether they were received all the same or not. */
  get dropped(): number {
    const accounts = [...this.#partial.values()];
    const lastSeq = accounts.reduce((last, { to }) => Math.max(last, to), 0);
    const open = this.#gone.gaps(1, lastSeq);
    return this.#gone.size + sizeOf(open) - sizeOf(unaccounted(open, accounts));
  }

  /** Of the numbers that did not come, those that nothing accounts for. `absent` is in order. */
  missing(absent: readonly Range[]): readonly Missing[] {
    const open = absent.flatMap(({ from, to }) => this.#excused.gaps(from, to));
    return unaccounted(open, [...this.#partial.values()]);
  }
}

/** How many numbers the ranges hold, or are missing of them. */
export function sizeOf(ranges: readonly Missing[]): number {
  return ranges.reduce((sum, { from, to, count }) => sum + (count ?? to - from + 1), 0);
}

/** `7-9`, or `2 of 7-9`. */
export function formatMissing(missing: Missing): string {
  return missing.count === undefined ? formatRange(missing) : `${missing.count} of ${formatRange(missing)}`;
}

/**
 * Gives the numbers, in order, to the accounts that they lie in: each to the one that ends first, as the others can take
 * later numbers too. No other way leaves fewer over.
 */
function unaccounted(numbers: readonly Range[], accounts: readonly LossAccount[]): Missing[] {
  const upcoming = accounts.toSorted((one, other) => one.from - other.from);
  const missing: Missing[] = [];
  /** Those that take numbers now, by their ends. */
  const open: { readonly to: number; left: number }[] = [];
  /** The accounts that hang together through numbers they share: from the first such number to the last end. */
  let cluster = { from: 0, to: 0 };
  let nth = 0;
  for (const { from, to } of numbers) {
    for (let seq = from; seq <= to; ) {
      for (; nth < upcoming.length && upcoming[nth]!.from <= seq; nth++) {
        const { to: lastSeq, count } = upcoming[nth]!;
        if (lastSeq < seq) continue;
        cluster =
          cluster.to < seq ? { from: seq, to: lastSeq } : { ...cluster, to: Math.max(cluster.to, lastSeq) };
        const behind = open.findLastIndex((one) => one.to <= lastSeq);
        open.splice(behind + 1, 0, { to: lastSeq, left: count });
      }
      while (open[0] && (open[0].to < seq || open[0].left === 0)) open.shift();
      const [taking] = open;
      // Up to where the choice may become another.
      const choiceTo = Math.min(to, (upcoming[nth]?.from ?? Infinity) - 1);
      if (taking) {
        const taken = Math.min(taking.left, Math.min(choiceTo, taking.to) - seq + 1);
        taking.left -= taken;
        seq += taken;
      } else if (seq <= cluster.to) {
        const lastSeq = Math.min(choiceTo, cluster.to);
        const before = missing.at(-1)?.from === cluster.from ? (missing.pop()?.count ?? 0) : 0;
        missing.push({ from: cluster.from, to: lastSeq, count: before + lastSeq - seq + 1 });
        seq = lastSeq + 1;
      } else {
        missing.push({ from: seq, to: choiceTo });
        seq = choiceTo + 1;
      }
    }
  }
  return missing;
}
