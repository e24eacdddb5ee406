import type { Drop } from "../outbox.ts";
import { ACCOUNTS_MAX } from "../state/state.ts";

/** So many numbers between two accounts do not keep them apart, where it is open anyway which of theirs are gone. */
const SPANNED_MAX = 100;

/**
 * Accounts of losses as they are told anew: one that is there twice is one, and those of one reason are joined where they
 * meet, so that what is given up again and again stays one. `spanned`: also where so many numbers lie between.
 */
export function joined(accounts: readonly Drop[], spanned = 0): readonly Drop[] {
  const distinct = new Map(accounts.map((account) => [JSON.stringify(account), account]));
  const wholes: Drop[] = [];
  const ordered = [...distinct.values()].sort(
    (one, other) => one.reason.localeCompare(other.reason) || one.fromSeq - other.fromSeq,
  );
  for (const one of ordered) {
    const before = wholes.at(-1);
    if (before?.reason === one.reason && one.fromSeq - before.toSeq <= 1 + reach(spanned, before, one))
      wholes[wholes.length - 1] = whole(before, one);
    else wholes.push(one);
  }
  return wholes;
}

/** As many as there is room for on flash: where they are more, one for each reason. */
export function condensed(accounts: readonly Drop[]): readonly Drop[] {
  const wholes = joined(accounts);
  return wholes.length > ACCOUNTS_MAX ? joined(wholes, Infinity) : wholes;
}

/**
 * How many numbers may lie between two accounts that become one. Where one counts fewer than its range it leaves open
 * which numbers are gone, and may as well span a few more that are not: thinning leaves records between what it gives up.
 */
function reach(spanned: number, ...accounts: readonly Drop[]): number {
  // A skipped range counts none, and is meant as a whole.
  const isOpen = accounts.some(
    ({ fromSeq, toSeq, count, reason }) => reason !== "skipped" && count <= toSeq - fromSeq,
  );
  return isOpen ? Math.max(spanned, SPANNED_MAX) : spanned;
}

/** Accounts that overlap may mean different numbers, but no more than there are. */
function whole(before: Drop, one: Drop): Drop {
  const toSeq = Math.max(before.toSeq, one.toSeq);
  const count = Math.min(before.count + one.count, toSeq - before.fromSeq + 1);
  return { ...before, toSeq, count };
}
