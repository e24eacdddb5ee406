import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Losses, sizeOf } from "../../src/audit/losses.ts";
import { RangeSet } from "../../src/audit/ranges.ts";
import { condensed, joined } from "../../src/outbox/delivery/accounts.ts";
import type { Drop } from "../../src/outbox/outbox.ts";
import { ACCOUNTS_MAX } from "../../src/outbox/state/state.ts";
import { numbers } from "./rig.ts";

const account = (
  fromSeq: number,
  toSeq: number,
  count: number,
  reason: Drop["reason"] = "thinned",
): Drop => ({
  fromSeq,
  toSeq,
  count,
  reason,
});

describe("accounts that are told anew", () => {
  test("are joined where those of one reason touch", () => {
    const accounts = [
      account(1, 10, 10, "full"),
      account(11, 20, 10, "full"),
      account(11, 12, 2, "corrupt"),
      account(22, 30, 9, "full"),
    ];
    expect(joined(accounts)).toEqual([
      account(11, 12, 2, "corrupt"),
      account(1, 20, 20, "full"),
      account(22, 30, 9, "full"),
    ]);
  });

  test("count no more than there are numbers, whatever overlaps", () => {
    expect(joined([account(1, 10, 10, "full"), account(5, 15, 11, "full")])).toEqual([
      account(1, 15, 15, "full"),
    ]);
    expect(joined([account(1, 400, 200), account(1, 1000, 500)])).toEqual([account(1, 1000, 700)]);
    expect(joined([account(1, 1000, 900), account(1, 1000, 500)])).toEqual([account(1, 1000, 1000)]);
  });

  test("count once where they say the same, also when another has been joined meanwhile", () => {
    expect(joined([account(1, 400, 200), account(401, 500, 50), account(1, 400, 200)])).toEqual([
      account(1, 500, 250),
    ]);
  });

  test("stay few where thinning leaves a few records between them", () => {
    expect(joined([account(2, 1000, 500), account(1002, 2000, 500)])).toEqual([account(2, 2000, 1000)]);
    expect(joined([account(2, 1000, 500), account(1102, 2000, 450)])).toHaveLength(2);
  });

  test("keep a skipped range as it is, and are joined with no other reason", () => {
    const apart = [account(5, 90, 0, "skipped"), account(92, 99, 0, "skipped"), account(1, 100, 3)];
    expect(joined(apart)).toEqual(apart);
  });

  test("are one for each reason where there is no room for more, and account for all that they did", () => {
    const full = numbers(0, ACCOUNTS_MAX - 1).map((nth) => account(10 * nth + 1, 10 * nth + 5, 5, "full"));
    expect(condensed(full)).toEqual(full);
    const last = 10 * ACCOUNTS_MAX - 5;
    expect(condensed([...full, account(3, 8, 2)])).toEqual([
      account(1, last, 5 * ACCOUNTS_MAX, "full"),
      account(3, 8, 2),
    ]);
  });
});

/** Which of 600 numbers are lost, each in the account of that index. */
const losses = fc.dictionary(
  fc.integer({ min: 1, max: 600 }).map(String),
  fc.record({ nth: fc.nat(7), reason: fc.constantFrom("thinned", "full") }),
  { maxKeys: 60 },
);

test("whatever was accounted for is so when it is told anew, and no more: each number once", () => {
  const told = { joined: 0 };
  fc.assert(
    fc.property(losses, fc.integer({ min: 1, max: 600 }), fc.boolean(), (all, silent, twice) => {
      const lost = Object.entries(all).filter(([seq]) => Number(seq) !== silent);
      const groups = new Map<string, number[]>();
      for (const [seq, { nth, reason }] of lost) {
        const group = `${reason} ${nth}`;
        groups.set(group, [...(groups.get(group) ?? []), Number(seq)]);
      }
      const accounts = [...groups].map(([group, seqs]) =>
        account(Math.min(...seqs), Math.max(...seqs), seqs.length, group.split(" ")[0] as Drop["reason"]),
      );
      const again = joined([...accounts, ...(twice ? accounts : [])]);
      if (again.length < accounts.length) told.joined++;
      const heard = new Losses();
      let counted = 0;
      for (const { fromSeq, toSeq, count, reason } of again) {
        expect(count).toBeLessThanOrEqual(toSeq - fromSeq + 1);
        heard.drop({ from: fromSeq, to: toSeq, count }, reason);
        counted += count;
      }
      const absent = new RangeSet();
      for (const [seq] of lost) absent.add(Number(seq));
      expect(heard.missing(absent.ranges)).toEqual([]);
      // They overlap, but mean different numbers: as many are told as are lost.
      expect(counted).toBe(absent.size);
      // One more that is lost silently is noticed, wherever it is.
      absent.add(silent);
      expect(sizeOf(heard.missing(absent.ranges))).toBe(1);
    }),
    { numRuns: 300 },
  );
  expect(told.joined).toBeGreaterThan(0);
});
