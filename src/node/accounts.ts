import { decodeSample } from "../record/record.ts";
import type { Recorder } from "../record/recorder.ts";

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
  /** Tells what was collected. */
  tell(recorder: Recorder): void;
}

export function createAccounts(): Accounts {
  let collected: Account[] = [];
  return {
    collect(record) {
      for (const account of accountsIn(record)) collected = join(collected, account);
    },
    tell(recorder) {
      const telling = collected;
      collected = [];
      for (const account of telling) recorder.record("event/dropped", { ...account });
    },
  };
}

/** Joins an account with those of the same reason that it touches: what is given up again and again stays one. */
function join(accounts: readonly Account[], one: Account): Account[] {
  const touches = (other: Account) =>
    other.reason === one.reason && other.from_seq <= one.to_seq + 1 && one.from_seq <= other.to_seq + 1;
  const touched = accounts.filter(touches);
  const whole = {
    from_seq: Math.min(one.from_seq, ...touched.map((other) => other.from_seq)),
    to_seq: Math.max(one.to_seq, ...touched.map((other) => other.to_seq)),
    count: touched.reduce((sum, { count }) => sum + count, one.count),
    reason: one.reason,
  };
  return [...accounts.filter((other) => !touches(other)), whole];
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
    return skipped
      ? [{ from_seq: skipped.from_seq, to_seq: skipped.to_seq, count: 0, reason: "skipped" }]
      : [];
  } catch {
    // A record that cannot be read accounts for nothing.
    return [];
  }
}
