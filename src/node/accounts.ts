import { decodeSample } from "../record/record.ts";
import type { Recorder } from "../record/recorder.ts";

/** The reason of a boot's `skipped` that is told anew. */
const SKIPPED = "skipped";

/** So many numbers between two accounts do not keep them apart, where it is open anyway which of theirs are gone. */
const SPANNED_MAX = 100;

/** Where there is no room, each telling uses up numbers for nothing: so many of them are passed over at most. */
const PASSED_OVER_MAX = 64;

/** Numbers that no consumer will ever see, and why: what an `event/dropped` says, or a boot's `skipped`. */
export interface Account {
  readonly from_seq: number;
  readonly to_seq: number;
  readonly count: number;
  readonly reason: string;
}

/**
 * Collects the accounts of losses from records that are themselves given up, so that they can be told anew: a loss may be
 * forced, the word of it may not be lost with it.
 */
export interface Accounts {
  /** Looks whether a record that is being given up accounts for others. */
  collect(record: Uint8Array): void;
  /** Tells what was collected. False: something is left, as there was no room for it now or a moment ago. */
  tell(recorder: Recorder): boolean;
}

export function createAccounts(): Accounts {
  // By what they say: an account that was told twice is one.
  let collected = new Map<string, Account>();
  let passOver = 0;
  let passedOver = 0;
  return {
    collect(record) {
      for (const account of accountsIn(record)) collected.set(JSON.stringify(account), account);
    },
    tell(recorder) {
      if (collected.size === 0) return true;
      if (passOver > 0) {
        passOver--;
        return false;
      }
      const telling = joined([...collected.values()]);
      collected = new Map();
      for (const account of telling) recorder.record("event/dropped", { ...account });
      passedOver = collected.size === 0 ? 0 : Math.min(PASSED_OVER_MAX, 2 * passedOver + 1);
      passOver = passedOver;
      return passOver === 0;
    },
  };
}

/** Joins accounts of one reason where they meet: what is given up again and again stays one. */
function joined(accounts: readonly Account[]): readonly Account[] {
  const wholes = new Map<string, Account[]>();
  for (const one of accounts.toSorted((a, b) => a.from_seq - b.from_seq)) {
    const ofReason = wholes.get(one.reason) ?? [];
    wholes.set(one.reason, ofReason);
    const before = ofReason.at(-1);
    if (before && meet(before, one)) ofReason[ofReason.length - 1] = whole(before, one);
    else ofReason.push(one);
  }
  return [...wholes.values()].flat().toSorted((a, b) => a.from_seq - b.from_seq);
}

/**
 * Whether two accounts, the later one second, may become one. Where one counts fewer than its range it leaves open which
 * numbers are gone, and may as well span a few more that are not: thinning leaves records between what it gives up.
 */
function meet(before: Account, one: Account): boolean {
  const between = one.from_seq - before.to_seq - 1;
  return between <= (isPartial(before) || isPartial(one) ? SPANNED_MAX : 0);
}

/** A skipped range counts none, and is meant as a whole. */
function isPartial({ from_seq, to_seq, count, reason }: Account): boolean {
  return reason !== SKIPPED && count < to_seq - from_seq + 1;
}

/** Accounts that overlap may mean different numbers, but no more than there are. */
function whole(before: Account, one: Account): Account {
  const to_seq = Math.max(before.to_seq, one.to_seq);
  const count = Math.min(before.count + one.count, to_seq - before.from_seq + 1);
  return { ...before, to_seq, count };
}

function accountsIn(record: Uint8Array): Account[] {
  try {
    const { topic, fieldsJson } = decodeSample(record);
    if (topic !== "event/dropped" && topic !== "event/boot") return [];
    const fields = JSON.parse(`{${fieldsJson}}`) as Account & { readonly skipped?: Account };
    if (topic === "event/dropped") {
      const { from_seq, to_seq, count, reason } = fields;
      return [{ from_seq, to_seq, count, reason }];
    }
    const { skipped } = fields;
    return skipped ? [{ from_seq: skipped.from_seq, to_seq: skipped.to_seq, count: 0, reason: SKIPPED }] : [];
  } catch {
    // A record that cannot be read accounts for nothing.
    return [];
  }
}
