import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Ledger } from "../../src/audit/ledger.ts";
import { formatMissing } from "../../src/audit/losses.ts";

interface Dropped {
  readonly from_seq: number;
  readonly to_seq: number;
  readonly count?: number;
  readonly reason: string;
}

const dropped = (from_seq: number, to_seq: number, count: number, reason = "thinned"): Dropped => ({
  from_seq,
  to_seq,
  count,
  reason,
});

/** A consumer that received these readings, from number `toldFromSeq` on these accounts, and one reading more. */
function heard(seqs: Iterable<number>, accounts: readonly Dropped[], toldFromSeq: number): Ledger {
  const ledger = new Ledger("n1");
  for (const seq of seqs) ledger.observe("telemetry/air", JSON.stringify({ seq }));
  accounts.forEach((account, nth) => {
    ledger.observe("event/dropped", JSON.stringify({ seq: toldFromSeq + nth, ...account }));
  });
  ledger.observe("telemetry/air", JSON.stringify({ seq: toldFromSeq + accounts.length }));
  return ledger;
}

function* numbers(from: number, to: number, step = 1): Generator<number> {
  for (let seq = from; seq <= to; seq += step) yield seq;
}

describe("an account that counts fewer than its range", () => {
  test("excuses as many as it counts, wherever in its range they are", () => {
    const everySecond = heard(numbers(1, 1000, 2), [dropped(1, 1000, 500)], 1001);
    expect(everySecond.verdict()).toMatchObject({ lost: 0, missing: [], dropped: 500 });
    const firstHalf = heard(numbers(501, 1000), [dropped(1, 1000, 500)], 1001);
    expect(firstHalf.verdict()).toMatchObject({ lost: 0, missing: [], dropped: 500 });
  });

  test("leaves missing what goes beyond its count, and the range is named in which that lies", () => {
    const everyFourth = heard(numbers(1, 1000, 4), [dropped(1, 1000, 500)], 1001);
    const { lost, missing } = everyFourth.verdict();
    expect(lost).toBe(250);
    expect(missing).toEqual([{ from: 2, to: 1000, count: 250 }]);
    expect(missing.map(formatMissing)).toEqual(["250 of 2-1000"]);
  });

  test("excuses nothing outside its range", () => {
    const ledger = heard([1, 2, 10, 11], [dropped(5, 11, 4)], 12);
    expect(ledger.verdict()).toMatchObject({
      lost: 3,
      missing: [
        { from: 3, to: 4 },
        { from: 5, to: 9, count: 1 },
      ],
    });
  });

  test("counts once however often it is told", () => {
    const account = dropped(1, 1000, 500);
    const ledger = heard(numbers(1, 1000, 4), [account, account, account], 1001);
    expect(ledger.verdict()).toMatchObject({ lost: 250, dropped: 500 });
  });

  test("may overlap with others: together they excuse what they count, each in its own range", () => {
    // Both may be of different numbers: thinned first to every second, then to every fourth.
    const accounts = [dropped(2, 1000, 500), dropped(3, 999, 250)];
    expect(heard(numbers(1, 1001, 4), accounts, 1002).verdict()).toMatchObject({ lost: 0, dropped: 750 });
    const grown = [dropped(1, 400, 200), dropped(1, 1000, 500)];
    expect(heard(numbers(701, 1000), grown, 1001).verdict()).toMatchObject({ lost: 0, dropped: 700 });
    expect(heard([1001], grown, 1002).verdict()).toMatchObject({ lost: 0, firstSeq: 1001 });
    expect(heard([1], grown, 1001).verdict()).toMatchObject({
      lost: 299,
      missing: [{ from: 2, to: 1000, count: 299 }],
    });
    // The first can only help below 401.
    expect(heard(numbers(1, 400), grown, 1001).verdict()).toMatchObject({ lost: 100 });
  });

  test("does not stretch one that is gone as a whole", () => {
    const accounts = [dropped(1, 100, 100, "full"), dropped(1, 200, 50)];
    expect(heard([], accounts, 201).verdict()).toMatchObject({ dropped: 150 });
    const ledger = heard([1, ...numbers(151, 200)], accounts, 201);
    expect(ledger.verdict()).toMatchObject({ lost: 0 });
    expect(heard([1, ...numbers(152, 200)], accounts, 201).verdict()).toMatchObject({
      lost: 1,
      missing: [{ from: 101, to: 151, count: 1 }],
    });
  });
});

test("a skipped range that is told anew is excused as a whole, and not taken for dropped", () => {
  const accounts = [{ from_seq: 3, to_seq: 90, count: 0, reason: "skipped" }];
  const ledger = heard([1, 2, 91], accounts, 92);
  expect(ledger.verdict()).toMatchObject({ lost: 0, dropped: 0, skipped: 88 });
});

test("an account without a count is of its whole range", () => {
  const ledger = heard([1, 2], [{ from_seq: 3, to_seq: 9, reason: "full" }], 10);
  expect(ledger.verdict()).toMatchObject({ lost: 0, dropped: 7 });
});

test("what was dropped and skipped in an earlier stream is still counted", () => {
  const ledger = heard([1], [dropped(2, 9, 8), dropped(2, 20, 5)], 21);
  ledger.observe(
    "event/boot",
    JSON.stringify({ seq: 99, stream: "aaaaaaaa", skipped: { from_seq: 31, to_seq: 98 } }),
  );
  ledger.observe("event/boot", JSON.stringify({ seq: 1, stream: "bbbbbbbb" }));
  ledger.observe("event/dropped", JSON.stringify({ seq: 21, ...dropped(2, 9, 8) }));
  expect(ledger.verdict()).toMatchObject({ dropped: 21, skipped: 68, stream: "bbbbbbbb" });
});

/** The most numbers that can each be given to an account that it lies in: augmenting paths, one number after the other. */
function mostExcused(absent: readonly number[], accounts: readonly Dropped[]): number {
  const places = accounts.flatMap((account) =>
    Array.from({ length: Math.min(account.count!, 100) }, () => ({
      account,
      taken: undefined as number | undefined,
    })),
  );
  const place = (seq: number, tried: Set<object>): boolean => {
    for (const one of places) {
      const { from_seq, to_seq } = one.account;
      if (tried.has(one) || seq < from_seq || seq > to_seq) continue;
      tried.add(one);
      if (one.taken !== undefined && !place(one.taken, tried)) continue;
      one.taken = seq;
      return true;
    }
    return false;
  };
  return absent.filter((seq) => place(seq, new Set())).length;
}

const LAST_SEQ = 30;
const account = fc
  .tuple(fc.integer({ min: 1, max: LAST_SEQ }), fc.nat(12), fc.nat(14), fc.constantFrom("thinned", "full"))
  .map(([from, more, count, reason]) => dropped(from, Math.min(LAST_SEQ, from + more), count, reason));

test("the ledger excuses exactly what a model finds that tries every way to share the accounts out", () => {
  const found = { partly: 0, wholly: 0, nothing: 0 };
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 1, max: LAST_SEQ })),
      fc.array(account, { maxLength: 6 }),
      fc.boolean(),
      (received, accounts, twice) => {
        const ledger = heard(received, twice ? [...accounts, ...accounts] : accounts, LAST_SEQ + 1);
        const verdict = ledger.verdict();
        const distinct = [...new Map(accounts.map((one) => [JSON.stringify(one), one])).values()];
        const sized = distinct.map((one) => ({
          ...one,
          count: Math.min(one.count!, one.to_seq - one.from_seq + 1),
        }));
        const all = [...numbers(1, LAST_SEQ)];
        expect(verdict.dropped).toBe(mostExcused(all, sized));
        const absent = all.filter((seq) => seq > verdict.firstSeq! && !received.includes(seq));
        const excused = mostExcused(absent, sized);
        expect(verdict.lost).toBe(absent.length - excused);

        // Every number that may be the missing one lies in a range that is named, and no range has fewer than it counts.
        const named = verdict.missing;
        const within = (seq: number) => named.some(({ from, to }) => from <= seq && seq <= to);
        for (const seq of absent) {
          const others = absent.filter((one) => one !== seq);
          if (mostExcused(others, sized) === excused) expect(within(seq), `${seq} is named`).toBe(true);
        }
        let lastSeq = 0;
        for (const { from, to, count } of named) {
          expect(from).toBeGreaterThan(lastSeq);
          expect(absent).toEqual(expect.arrayContaining([from, to]));
          const open = absent.filter((seq) => from <= seq && seq <= to);
          if (count === undefined) expect(open).toHaveLength(to - from + 1);
          else expect(count).toBeLessThan(open.length);
          lastSeq = to;
          found[count === undefined ? "wholly" : "partly"]++;
        }
        if (named.length === 0 && absent.length > 0) found.nothing++;
      },
    ),
    { numRuns: 1_000 },
  );
  for (const times of Object.values(found)) expect(times).toBeGreaterThan(0);
});

test("a node that accounts for all it gives up is never wronged, and what it hides is found to the last one", () => {
  const group = fc.uniqueArray(fc.integer({ min: 2, max: 200 }), { minLength: 1, maxLength: 25 });
  fc.assert(
    fc.property(
      fc.array(group, { maxLength: 6 }),
      fc.uniqueArray(fc.integer({ min: 2, max: 200 }), { maxLength: 5 }),
      fc.boolean(),
      (groups, hidden, twice) => {
        const gone = new Set<number>();
        const accounts: Dropped[] = [];
        for (const seqs of groups) {
          const own = seqs.filter((seq) => !gone.has(seq));
          for (const seq of own) gone.add(seq);
          if (own.length > 0) accounts.push(dropped(Math.min(...own), Math.max(...own), own.length));
        }
        const told = twice ? [...accounts, ...accounts] : accounts;
        const delivered = [...numbers(1, 200)].filter((seq) => !gone.has(seq));
        expect(heard(delivered, told, 201).verdict()).toMatchObject({
          lost: 0,
          missing: [],
          dropped: gone.size,
        });
        const silent = hidden.filter((seq) => !gone.has(seq));
        const short = delivered.filter((seq) => !silent.includes(seq));
        expect(heard(short, told, 201).verdict()).toMatchObject({ lost: silent.length });
      },
    ),
  );
});

test("400,000 numbers, every second thinned out, and thousands of accounts of that are no effort", {
  timeout: 20_000,
}, () => {
  const accounts: Dropped[] = [];
  for (let from = 2; from <= 400_000; from += 500) accounts.push(dropped(from, from + 498, 250));
  // Those of every second stretch were told again with other bounds, one lies over them all.
  for (let from = 2; from <= 400_000; from += 1_000) accounts.push(dropped(from, from + 300, 7));
  accounts.push(dropped(2, 400_000, 11));
  const ledger = heard(numbers(1, 400_000, 2), accounts, 400_001);
  expect(ledger.verdict()).toMatchObject({ lost: 0, received: 200_001 + accounts.length });
  const wanting = heard(numbers(1, 400_000, 4), accounts.slice(0, 800), 400_001);
  expect(wanting.verdict()).toMatchObject({ lost: 100_000, dropped: 200_000 });
});
