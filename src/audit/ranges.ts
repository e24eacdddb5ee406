/** A set of positive integers held as sorted, disjoint, non-adjacent ranges: cheap for numbers that mostly come in order. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

export class RangeSet {
  #ranges: { from: number; to: number }[] = [];

  get ranges(): readonly Range[] {
    return this.#ranges;
  }

  /** How many numbers the set holds. */
  get size(): number {
    return this.#ranges.reduce((sum, range) => sum + range.to - range.from + 1, 0);
  }

  has(value: number): boolean {
    const range = this.#ranges[this.#lastAtOrBefore(value)];
    return range !== undefined && value <= range.to;
  }

  add(from: number, to: number = from): void {
    const last = this.#ranges.at(-1);
    if (last && from === last.to + 1) {
      last.to = to;
      return;
    }
    // The ranges that the new one touches or overlaps become one with it.
    const before = this.#lastAtOrBefore(from - 1);
    const start = before >= 0 && this.#ranges[before]!.to >= from - 1 ? before : before + 1;
    let end = start;
    while (end < this.#ranges.length && this.#ranges[end]!.from <= to + 1) end++;
    const merged = {
      from: Math.min(from, this.#ranges[start]?.from ?? from),
      to: end > start ? Math.max(to, this.#ranges[end - 1]!.to) : to,
    };
    this.#ranges.splice(start, end - start, merged);
  }

  /** The numbers between `from` and `to` that the set lacks. */
  gaps(from: number, to: number): Range[] {
    const gaps: Range[] = [];
    let next = from;
    for (let nth = Math.max(0, this.#lastAtOrBefore(from)); nth < this.#ranges.length; nth++) {
      const range = this.#ranges[nth]!;
      if (range.to < next) continue;
      if (range.from > to) break;
      if (range.from > next) gaps.push({ from: next, to: range.from - 1 });
      next = range.to + 1;
    }
    if (next <= to) gaps.push({ from: next, to });
    return gaps;
  }

  #lastAtOrBefore(value: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#ranges[middle]!.from <= value) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

/** `7`, or `7-9`. */
export function formatRange({ from, to }: Range): string {
  return from === to ? `${from}` : `${from}-${to}`;
}
