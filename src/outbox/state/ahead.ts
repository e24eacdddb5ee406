import { type NumberRange, NumberSet } from "./number-set.ts";

/** More are not kept apart: see {@link Ahead.full}. So many that a slot of `ack` fits into a sector, which a power cut never tears. */
export const AHEAD_MAX = 27;

/**
 * What is acknowledged although something older is not: where new records go first, one range for each time that the
 * link was made anew before the backlog was through.
 */
export class Ahead extends NumberSet {
  /** Whoever wants to acknowledge ahead had better not begin: another range could not be remembered. */
  get full(): boolean {
    // Of two that may come at once: a run's first record, and what follows the backlog.
    return this.ranges.length > AHEAD_MAX - 2;
  }

  /** Where there is no room for another range it is not remembered, and its records will go out again. */
  override add(range: NumberRange): void {
    super.add(range);
    if (this.ranges.length > AHEAD_MAX) this.remove(range);
  }
}
