import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Losses, sizeOf } from "../../src/audit/losses.ts";
import { RangeSet } from "../../src/audit/ranges.ts";
import { type Account, createAccounts } from "../../src/node/accounts.ts";
import { encodeSample, fieldsToJson } from "../../src/record/record.ts";

function recordOf(topic: string, fields: Readonly<Record<string, unknown>>): Uint8Array {
  const times = { wallMs: 0, monotonicMs: 0, bootId: "00000001", synced: true, historical: true };
  return encodeSample({ ...times, topic, fieldsJson: fieldsToJson(fields) });
}

const account = (from_seq: number, to_seq: number, count: number, reason = "thinned"): Account => ({
  from_seq,
  to_seq,
  count,
  reason,
});

/** What is told where the records of these accounts are given up. */
function toldAnew(...accounts: readonly Account[]): readonly Account[] {
  return told(accounts.map((one) => recordOf("event/dropped", { ...one })));
}

function told(records: readonly Uint8Array[]): readonly Account[] {
  const accounts = createAccounts();
  for (const record of records) accounts.collect(record);
  const heard: Account[] = [];
  accounts.tell({
    record(topic, fields) {
      expect(topic).toBe("event/dropped");
      return heard.push(fields as unknown as Account);
    },
  });
  return heard;
}

describe("accounts that are themselves given up", () => {
  test("are told anew, those of one reason joined where they touch", () => {
    const accounts = [
      account(1, 10, 10, "full"),
      account(11, 20, 10, "full"),
      account(11, 12, 2, "corrupt"),
      account(22, 30, 9, "full"),
    ];
    expect(toldAnew(...accounts)).toEqual([
      account(1, 20, 20, "full"),
      account(11, 12, 2, "corrupt"),
      account(22, 30, 9, "full"),
    ]);
  });

  test("are told once", () => {
    const accounts = createAccounts();
    accounts.collect(recordOf("event/dropped", { ...account(1, 9, 4) }));
    let records = 0;
    const recorder = { record: () => ++records };
    accounts.tell(recorder);
    accounts.tell(recorder);
    expect(records).toBe(1);
  });

  test("are told ever more seldom where there is no room, and soon where there is room again", () => {
    const accounts = createAccounts();
    accounts.collect(recordOf("event/dropped", { ...account(1, 9, 4) }));
    let tellings = 0;
    let full = true;
    const recorder = {
      record(topic: string, fields: Readonly<Record<string, unknown>>) {
        if (full) accounts.collect(recordOf(topic, fields));
        return ++tellings;
      },
    };
    for (let look = 0; look < 1_000; look++) expect(accounts.tell(recorder)).toBe(false);
    expect(tellings).toBeLessThan(25);
    full = false;
    let looks = 1;
    while (!accounts.tell(recorder)) looks++;
    expect(looks).toBeLessThanOrEqual(65);
    // And the next one is not held back.
    accounts.collect(recordOf("event/dropped", { ...account(20, 29, 4) }));
    expect(accounts.tell(recorder)).toBe(true);
  });

  test("count no more than there are numbers, whatever overlaps", () => {
    expect(toldAnew(account(1, 10, 10, "full"), account(5, 15, 11, "full"))).toEqual([
      account(1, 15, 15, "full"),
    ]);
    expect(toldAnew(account(1, 400, 200), account(1, 1000, 500))).toEqual([account(1, 1000, 700)]);
    expect(toldAnew(account(1, 1000, 900), account(1, 1000, 500))).toEqual([account(1, 1000, 1000)]);
  });

  test("count once where they say the same, also when another has been joined meanwhile", () => {
    expect(toldAnew(account(1, 400, 200), account(401, 500, 50), account(1, 400, 200))).toEqual([
      account(1, 500, 250),
    ]);
  });

  test("stay few where thinning leaves a few records between them", () => {
    expect(toldAnew(account(2, 1000, 500), account(1002, 2000, 500))).toEqual([account(2, 2000, 1000)]);
    expect(toldAnew(account(2, 1000, 500), account(1102, 2000, 450))).toHaveLength(2);
  });

  test("keep a skipped range as it is, and are joined with no other reason", () => {
    const boot = recordOf("event/boot", { boot: 2, skipped: { from_seq: 5, to_seq: 90 } });
    const beside = recordOf("event/dropped", { ...account(92, 99, 0, "skipped") });
    const thinned = recordOf("event/dropped", { ...account(1, 100, 3) });
    expect(told([boot, beside, thinned])).toEqual([
      account(1, 100, 3),
      account(5, 90, 0, "skipped"),
      account(92, 99, 0, "skipped"),
    ]);
  });

  test("none from other records, or from what cannot be read", () => {
    expect(told([recordOf("telemetry/air", { count: 3 }), recordOf("event/boot", { boot: 1 })])).toEqual([]);
    expect(told([new Uint8Array(3)])).toEqual([]);
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
        account(Math.min(...seqs), Math.max(...seqs), seqs.length, group.split(" ")[0]),
      );
      const again = toldAnew(...accounts, ...(twice ? accounts : []));
      if (again.length < accounts.length) told.joined++;
      const heard = new Losses();
      let counted = 0;
      for (const { from_seq, to_seq, count, reason } of again) {
        expect(count).toBeLessThanOrEqual(to_seq - from_seq + 1);
        heard.drop({ from: from_seq, to: to_seq, count }, reason);
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
