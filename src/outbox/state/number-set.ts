/** Numbers from the first to the last. */
export interface NumberRange {
  readonly fromSeq: number;
  readonly toSeq: number;
}

/** Numbers, as ranges that do not touch: cheap where they mostly come in order. */
export class NumberSet {
  readonly #ranges: NumberRange[];

  /** `ranges`: in order, and none next to another. */
  constructor(ranges: readonly NumberRange[] = []) {
    this.#ranges = [...ranges];
  }

  get ranges(): readonly NumberRange[] {
    return this.#ranges;
  }

  /** How many there are. */
  get size(): number {
    return sizeOf(this.#ranges);
  }

  /** The last number of the range that holds `seq`; undefined: it is in none. */
  endAt(seq: number): number | undefined {
    const range = this.#ranges[this.#firstReaching(seq)];
    return range && range.fromSeq <= seq ? range.toSeq : undefined;
  }

  add({ fromSeq, toSeq }: NumberRange): void {
    const from = this.#firstReaching(fromSeq - 1);
    let end = from;
    while (end < this.#ranges.length && this.#ranges[end]!.fromSeq <= toSeq + 1) end++;
    const whole = this.#ranges.slice(from, end).reduce(spanOf, { fromSeq, toSeq });
    this.#ranges.splice(from, end - from, whole);
  }

  /** Those of a range that are not in here. */
  missing({ fromSeq, toSeq }: NumberRange): NumberRange[] {
    const missing: NumberRange[] = [];
    let nextSeq = fromSeq;
    for (const range of this.#within({ fromSeq, toSeq })) {
      if (range.fromSeq > nextSeq) missing.push({ fromSeq: nextSeq, toSeq: range.fromSeq - 1 });
      nextSeq = range.toSeq + 1;
    }
    if (nextSeq <= toSeq) missing.push({ fromSeq: nextSeq, toSeq });
    return missing;
  }

  /** How many of a range are in here. */
  count(range: NumberRange): number {
    return sizeOf(this.#within(range));
  }

  /** Removes everything up to `seq`. */
  forget(seq: number): void {
    this.remove({ fromSeq: 1, toSeq: seq });
  }

  remove({ fromSeq, toSeq }: NumberRange): void {
    const from = this.#firstReaching(fromSeq);
    const found = this.#within({ fromSeq, toSeq });
    const left: NumberRange[] = [];
    for (const part of this.#ranges.slice(from, from + found.length)) {
      if (part.fromSeq < fromSeq) left.push({ fromSeq: part.fromSeq, toSeq: fromSeq - 1 });
      if (part.toSeq > toSeq) left.push({ fromSeq: toSeq + 1, toSeq: part.toSeq });
    }
    this.#ranges.splice(from, found.length, ...left);
  }

  #within({ fromSeq, toSeq }: NumberRange): NumberRange[] {
    const within: NumberRange[] = [];
    for (let at = this.#firstReaching(fromSeq); at < this.#ranges.length; at++) {
      const range = this.#ranges[at]!;
      if (range.fromSeq > toSeq) break;
      within.push({ fromSeq: Math.max(range.fromSeq, fromSeq), toSeq: Math.min(range.toSeq, toSeq) });
    }
    return within;
  }

  /** Where the first range is that ends at `seq` or behind it. */
  #firstReaching(seq: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#ranges[middle]!.toSeq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** From the first to the last of both, with what lies between. */
export function spanOf(one: NumberRange, other: NumberRange): NumberRange {
  return { fromSeq: Math.min(one.fromSeq, other.fromSeq), toSeq: Math.max(one.toSeq, other.toSeq) };
}

/** How many numbers ranges hold that do not overlap. */
export function sizeOf(ranges: readonly NumberRange[]): number {
  return ranges.reduce((sum, { fromSeq, toSeq }) => sum + toSeq - fromSeq + 1, 0);
}
