import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { inspectOutbox } from "../../src/outbox/inspect.ts";
import type { Outbox } from "../../src/outbox/outbox.ts";
import { AHEAD_MAX, Ahead } from "../../src/outbox/state/ahead.ts";
import { FOLDER, Rig, TAIL } from "./rig.ts";

const record = (seq: number) => Buffer.from(`record ${String(seq).padStart(20)}`);
const appendTo = (outbox: Outbox, count: number) => {
  for (let nth = 0; nth < count; nth++) outbox.append(record(outbox.status().nextSeq));
};
const waiting = (outbox: Outbox) => {
  const seqs: number[] = [];
  for (let next = 0; ; next = seqs.at(-1)! + 1) {
    const page = outbox.peek(next, 7);
    if (page.length === 0) return seqs;
    for (const entry of page) {
      expect(Buffer.from(entry.record)).toEqual(record(entry.seq));
      seqs.push(entry.seq);
    }
  }
};
const to = (from: number, last: number) => Array.from({ length: last - from + 1 }, (_, nth) => from + nth);

describe("records acknowledged ahead of older ones", () => {
  test("are not handed out again, and the head jumps over them when it gets there", async () => {
    const outbox = await new Rig().open();
    appendTo(outbox, 20);
    outbox.ackAhead(11, 15);
    expect(waiting(outbox)).toEqual([...to(1, 10), ...to(16, 20)]);
    expect(outbox.status()).toMatchObject({ depth: 15, acknowledged: 5, firstSeq: 1 });
    outbox.ack(10);
    expect(waiting(outbox)).toEqual(to(16, 20));
    expect(outbox.status()).toMatchObject({ depth: 5, acknowledged: 15, firstSeq: 16 });
    await outbox.close();
  });

  test.each(["kill", "close"])("are remembered after a %s, and seen from outside", async (end) => {
    const rig = new Rig();
    const outbox = await rig.open();
    appendTo(outbox, 20);
    outbox.ack(2);
    outbox.ackAhead(11, 15);
    if (end === "kill") rig.kill();
    else await outbox.close();
    const seen = inspectOutbox(FOLDER, rig.files);
    expect(seen.depth).toBe(13);
    expect([...seen.entries("unacknowledged")].map(({ seq }) => seq)).toEqual([...to(3, 10), ...to(16, 20)]);
    expect([...seen.entries("all")].filter(({ acknowledged }) => acknowledged).map(({ seq }) => seq)).toEqual(
      [1, 2, 11, 12, 13, 14, 15],
    );
    const next = await rig.open();
    expect(waiting(next)).toEqual([...to(3, 10), ...to(16, 20)]);
    await next.close();
  });

  test("are not lost when they must give way together with older ones that are", async () => {
    const outbox = await new Rig().open();
    // Four segments of some eighty such records: the oldest are given up.
    appendTo(outbox, 60);
    outbox.ackAhead(21, 60);
    appendTo(outbox, 400);
    const [drop] = outbox.takeDrops();
    expect(drop).toMatchObject({ fromSeq: 1, reason: "full" });
    const { dropped, firstSeq } = outbox.status();
    expect(dropped).toBe(firstSeq! - 1 - 40);
    await outbox.close();
  });

  test("show in the history, as long as their segment is not used again", async () => {
    const outbox = await new Rig().open();
    appendTo(outbox, 20);
    outbox.ack(5);
    outbox.ackAhead(11, 12);
    const history = [...outbox.history(4, 13)].map(({ seq, acknowledged }) => [seq, acknowledged]);
    expect(history).toEqual(
      [4, 5, 6, 7, 8, 9, 10, 11, 12, 13].map((seq) => [seq, [4, 5, 11, 12].includes(seq)]),
    );
    await outbox.close();
  });

  test.each([
    ["and any power cut", undefined],
    ["with a tail on a tmpfs", TAIL],
  ])(
    "at any order, any kill %s: nothing unacknowledged is missed, nothing acknowledged comes again but after a power cut",
    async (_name, tail) => {
      const step = fc.oneof(
        {
          weight: 4,
          arbitrary: fc.record({ do: fc.constant("append" as const), n: fc.integer({ min: 1, max: 9 }) }),
        },
        {
          weight: 4,
          arbitrary: fc.record({ do: fc.constant("ahead" as const), n: fc.nat(60), m: fc.nat(6) }),
        },
        { weight: 3, arbitrary: fc.record({ do: fc.constant("ack" as const), n: fc.nat(8) }) },
        {
          weight: 1,
          arbitrary: fc.record({ do: fc.constantFrom("kill" as const, "close" as const, "cut" as const) }),
        },
      );
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
          // Large enough for all, so that nothing is dropped.
          const rig = new Rig({ maxSizeBytes: 20 * 1024 + 16 * 4096, syncAfterMs: tail ? 1_000 : 0, tail });
          let outbox = await rig.open();
          let unacked: number[] = [];
          for (const one of steps) {
            const lastSeq = outbox.status().nextSeq - 1;
            if (one.do === "append") {
              unacked.push(...to(lastSeq + 1, lastSeq + one.n));
              appendTo(outbox, one.n);
            } else if (one.do === "ahead") {
              const from = unacked[one.n % Math.max(1, unacked.length)];
              if (from === undefined) continue;
              // Not over numbers that a power cut has skipped: of those the depth would know nothing.
              let last = from;
              while (last < from + one.m && last < lastSeq && unacked.includes(last + 1)) last++;
              outbox.ackAhead(from, last);
              unacked = unacked.filter((seq) => seq < from || seq > last);
            } else if (one.do === "ack") {
              const seq = unacked[one.n];
              if (seq === undefined) continue;
              outbox.ack(seq);
              unacked = unacked.filter((other) => other > seq);
            } else {
              if (one.do === "kill" || (tail && one.do === "cut")) rig.kill();
              else if (one.do === "cut") rig.cutPower();
              else await outbox.close();
              outbox = await rig.open();
              if (one.do === "cut" && !tail) {
                const again = waiting(outbox);
                expect(again).toEqual(expect.arrayContaining(unacked));
                unacked = again;
              }
            }
            expect(waiting(outbox)).toEqual(unacked);
            expect(outbox.status().depth).toBe(unacked.length);
          }
          await outbox.close();
        }),
        { numRuns: 300 },
      );
    },
  );

  test("take a bounded room: what finds none comes again", () => {
    const ahead = new Ahead([]);
    for (let nth = 1; nth <= AHEAD_MAX + 5; nth++) ahead.add({ fromSeq: nth * 10, toSeq: nth * 10 + 2 });
    expect(ahead.ranges).toHaveLength(AHEAD_MAX);
    expect(ahead.full).toBe(true);
    ahead.add({ fromSeq: 13, toSeq: 19 });
    expect(ahead.ranges[0]).toEqual({ fromSeq: 10, toSeq: 22 });
    ahead.forget(21);
    expect(ahead.ranges[0]).toEqual({ fromSeq: 22, toSeq: 22 });
  });
});
