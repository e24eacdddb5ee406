/** Numbers from the first to the last. */
export interface NumberRange {
  readonly fromSeq: number;
  readonly toSeq: number;
}

/** More are not kept apart: see {@link Ahead.full}. So many that a slot of `ack` fits into a sector, which a power cut never tears. */
export const AHEAD_MAX = 27;

/**
 * What is acknowledged although something older is not: where new records go first, one range for each time that the
 * link was made anew before the backlog was through. Sorted, disjoint, none next to another.
 */
export class Ahead {
  #ranges: NumberRange[];

  constructor(ranges: readonly NumberRange[]) {
    this.#ranges = [...ranges];
  }

  get ranges(): readonly NumberRange[] {
    return this.#ranges;
  }

  /** Whoever wants to acknowledge ahead had better not begin: another range could not be remembered. */
  get full(): boolean {
    // Of two that may come at once: a run's first record, and what follows the backlog.
    return this.#ranges.length > AHEAD_MAX - 2;
  }

  /** How many numbers they hold. */
  get numbers(): number {
    return this.#ranges.reduce((sum, { fromSeq, toSeq }) => sum + toSeq - fromSeq + 1, 0);
  }

  /** The last number of the range that holds `seq`; undefined: it is in none. */
  endAt(seq: number): number | undefined {
    for (const { fromSeq, toSeq } of this.#ranges) {
      if (fromSeq > seq) return undefined;
      if (seq <= toSeq) return toSeq;
    }
    return undefined;
  }

  /** How many numbers of a range are in here. */
  within({ fromSeq, toSeq }: NumberRange): number {
    return this.#ranges.reduce(
      (sum, range) => sum + Math.max(0, Math.min(toSeq, range.toSeq) - Math.max(fromSeq, range.fromSeq) + 1),
      0,
    );
  }

  /** Where there is no room for another range it is not remembered, and its records will go out again. */
  add({ fromSeq, toSeq }: NumberRange): void {
    const apart = this.#ranges.filter((range) => range.toSeq + 1 < fromSeq || toSeq + 1 < range.fromSeq);
    const touched = this.#ranges.filter((range) => !apart.includes(range));
    if (touched.length === 0 && apart.length >= AHEAD_MAX) return;
    const whole = {
      fromSeq: Math.min(fromSeq, ...touched.map((range) => range.fromSeq)),
      toSeq: Math.max(toSeq, ...touched.map((range) => range.toSeq)),
    };
    this.#ranges = [...apart, whole].sort((a, b) => a.fromSeq - b.fromSeq);
  }

  /** Everything up to `seq` is done with: ranges, and parts of them, that lie there are forgotten. */
  forget(seq: number): void {
    if (this.#ranges.length === 0 || this.#ranges[0]!.fromSeq > seq) return;
    this.#ranges = this.#ranges
      .filter(({ toSeq }) => toSeq > seq)
      .map((range) => ({ ...range, fromSeq: Math.max(range.fromSeq, seq + 1) }));
  }
}
