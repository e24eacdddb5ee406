import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Ledger } from "../../src/audit/ledger.ts";
import { RangeSet } from "../../src/audit/ranges.ts";

const reading = (seq: number) => JSON.stringify({ seq, time: "2026-11-23T00:00:00.000Z", temperature: 21 });

function observeAll(ledger: Ledger, seqs: readonly number[]): void {
  for (const seq of seqs) ledger.observe("telemetry/air", reading(seq));
}

describe("the audit's ledger", () => {
  test("finds nothing missing in an unbroken stream", () => {
    const ledger = new Ledger("n1");
    observeAll(ledger, [5, 6, 7, 8]);
    expect(ledger.verdict()).toMatchObject({ firstSeq: 5, lastSeq: 8, received: 4, lost: 0, duplicates: 0 });
  });

  test("names the numbers that neither came nor were reported lost", () => {
    const ledger = new Ledger("n1");
    observeAll(ledger, [1, 2, 5, 9]);
    expect(ledger.verdict().missing).toEqual([
      { from: 3, to: 4 },
      { from: 6, to: 8 },
    ]);
    expect(ledger.verdict().lost).toBe(5);
  });

  test("accepts a late record into its gap, and counts a second copy as a duplicate", () => {
    const ledger = new Ledger("n1");
    observeAll(ledger, [1, 3, 2, 2, 3]);
    expect(ledger.verdict()).toMatchObject({ lost: 0, duplicates: 2, received: 3 });
  });

  test("misses nothing between a few older records that were sent again and where it began to listen", () => {
    const ledger = new Ledger("n1");
    const resent = (seq: number) =>
      ledger.observe("telemetry/air", JSON.stringify({ seq, resent: true, temperature: 21 }));
    resent(1);
    expect(ledger.verdict()).toMatchObject({ firstSeq: 1, lastSeq: 1, received: 1, lost: 0 });
    observeAll(ledger, [1_000, 1_001, 1_004]);
    for (const seq of [2, 3, 1_000, 1_002]) resent(seq);
    expect(ledger.verdict()).toMatchObject({
      firstSeq: 1_000,
      lastSeq: 1_004,
      received: 4,
      resent: 4,
      duplicates: 0,
      missing: [{ from: 1_003, to: 1_003 }],
    });
  });

  test("excuses what the node reported as dropped", () => {
    const ledger = new Ledger("n1");
    observeAll(ledger, [1, 2]);
    const dropped = { seq: 10, time: "", from_seq: 3, to_seq: 9, count: 7, reason: "full" };
    ledger.observe("event/dropped", JSON.stringify(dropped));
    expect(ledger.verdict()).toMatchObject({ lost: 0, dropped: 7 });
  });

  test("excuses what a power cut made unknowable", () => {
    const ledger = new Ledger("n1");
    observeAll(ledger, [1, 2]);
    const boot = { seq: 4097, stream: "9f2c41aa", boot: 2, skipped: { from_seq: 3, to_seq: 4096 } };
    ledger.observe("event/boot", JSON.stringify(boot));
    expect(ledger.verdict()).toMatchObject({ lost: 0, skipped: 4094, boots: 1, stream: "9f2c41aa" });
  });

  test("begins a new account when the outbox was created anew", () => {
    const ledger = new Ledger("n1");
    ledger.observe("event/boot", JSON.stringify({ seq: 100, stream: "aaaaaaaa" }));
    ledger.observe("event/boot", JSON.stringify({ seq: 1, stream: "bbbbbbbb" }));
    observeAll(ledger, [2, 3]);
    expect(ledger.verdict()).toMatchObject({
      firstSeq: 1,
      lastSeq: 3,
      lost: 0,
      stream: "bbbbbbbb",
      boots: 2,
    });
  });

  test("ignores what is not part of the stream, and what is not a record", () => {
    const ledger = new Ledger("n1");
    ledger.observe("state/pump", '{"state":"on"}');
    ledger.observe("telemetry/air", "not json");
    ledger.observe("telemetry/air", "null");
    ledger.observe("telemetry/air", '{"seq":-1}');
    expect(ledger.verdict()).toMatchObject({ received: 0, lost: 0, firstSeq: undefined });
  });
});

test("a set of ranges agrees with a plain set of numbers", () => {
  const range = fc
    .tuple(fc.integer({ min: 1, max: 60 }), fc.nat(6))
    .map(([from, more]) => [from, from + more] as const);
  fc.assert(
    fc.property(fc.array(range, { maxLength: 30 }), (added) => {
      const set = new RangeSet();
      const model = new Set<number>();
      for (const [from, to] of added) {
        set.add(from, to);
        for (let n = from; n <= to; n++) model.add(n);
      }
      expect(set.size).toBe(model.size);
      const missing = set
        .gaps(1, 70)
        .flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, i) => from + i));
      for (let n = 1; n <= 70; n++) {
        expect(set.has(n)).toBe(model.has(n));
        expect(missing.includes(n)).toBe(!model.has(n));
      }
    }),
  );
});
