import { describe, expect, test } from "vitest";
import type { OutboxOptions } from "../../src/outbox/open.ts";
import type { Outbox } from "../../src/outbox/outbox.ts";
import { faultyFiles } from "./faulty-files.ts";
import { DAY_MS, drain, drop, fill, numbers, Rig, record, TAIL } from "./rig.ts";

describe("age", () => {
  const HOUR_MS = 3_600_000;

  test("drops whole records that have grown too old, counted exactly", async () => {
    const rig = new Rig({ maxAgeMs: HOUR_MS });
    const outbox = await rig.open();
    fill(outbox, 10);
    await rig.clock.advance(HOUR_MS / 2);
    fill(outbox, 5);
    await rig.clock.advance(HOUR_MS / 2 + 120_000);
    expect(outbox.status()).toMatchObject({ depth: 5, firstSeq: 11, dropped: 10 });
    expect(outbox.takeDrops()).toEqual([drop(1, 10, "expired")]);
    expect(drain(outbox)).toEqual(numbers(11, 15));
  });

  test("is looked at when records are handed out", async () => {
    const rig = new Rig({ maxAgeMs: HOUR_MS });
    const outbox = await rig.open();
    fill(outbox, 3);
    rig.clock.setWall(rig.clock.wallMs() + 2 * HOUR_MS);
    fill(outbox, 2);
    expect(outbox.peek(1, 10).map(({ seq }) => seq)).toEqual([4, 5]);
    expect(outbox.takeDrops()).toEqual([drop(1, 3, "expired")]);
  });

  test.each([
    ["a clock that is not set", Date.UTC(2026, 0), true, Date.UTC(2026, 6), false],
    [
      "a record stored before the clock was set, at a date kept from the last run",
      Date.UTC(2025, 11),
      false,
      Date.UTC(2026, 0),
      true,
    ],
    ["a record from the future", Date.UTC(2027, 0), true, Date.UTC(2026, 0), true],
  ])("is no reason to drop anything with %s", async (_, storedMs, storedSynced, nowMs, nowSynced) => {
    const rig = new Rig({ maxAgeMs: HOUR_MS });
    const outbox = await rig.open();
    rig.clock.setWall(storedMs);
    rig.clock.setSynced(storedSynced);
    fill(outbox, 3);
    expect(outbox.status().oldestWallMs).toBe(storedSynced ? storedMs : undefined);
    rig.clock.setWall(nowMs);
    rig.clock.setSynced(nowSynced);
    await rig.clock.advance(120_000);
    expect(drain(outbox)).toEqual([1, 2, 3]);
    expect(outbox.takeDrops()).toEqual([]);
  });
});

/** As a record of `fill` is stored. */
const STORED_BYTES = 100;

/** A backlog of so many records, all of them too old now. */
async function tooOld(
  count: number,
  options: Partial<OutboxOptions> = {},
): Promise<{ rig: Rig; outbox: Outbox }> {
  const rig = new Rig({ maxAgeMs: DAY_MS, maxSizeBytes: 64 * 1024 * 1024, segmentBytes: 65_536, ...options });
  const outbox = await rig.open();
  for (let nth = 0; nth < count; nth++) outbox.append(record(nth + 1));
  await outbox.sync();
  rig.clock.setWall(rig.clock.wallMs() + 2 * DAY_MS);
  return { rig, outbox };
}

/** Ten records go in one piece. */
const TEN_AT_A_TIME = { pieceBytes: 10 * STORED_BYTES };

/** Asks again until something is handed out, or nothing is left to wait for. Returns how often. */
function peekOn(outbox: Outbox): number {
  for (let peeks = 1; ; peeks++) {
    const { firstSeq } = outbox.status();
    if (outbox.peek(1, 10).length > 0 || outbox.status().firstSeq === firstSeq) return peeks;
  }
}

describe("a backlog that is too old all at once", () => {
  test("of 100,000 records goes in pieces, told once, and whoever waits for a record is woken once", async () => {
    const { rig, outbox } = await tooOld(100_000);
    const perTurn = new Map<number, number>();
    let turn = 0;
    let ticking = setImmediate(function tick() {
      turn++;
      ticking = setImmediate(tick);
    });
    rig.accountsIn = () => {
      perTurn.set(turn, (perTurn.get(turn) ?? 0) + 1);
      return [];
    };
    const over = new AbortController();
    let peeks = 0;
    let next = 0;
    const consumer = async () => {
      while (next <= 100_000) {
        await outbox.available(next, over.signal);
        peeks++;
        for (const { seq } of outbox.peek(next, 64)) next = seq + 1;
      }
    };
    const consuming = consumer();
    fill(outbox, 1);
    while (outbox.status().depth > 1) {
      expect(outbox.takeDrops()).toEqual([]);
      await rig.clock.advance(1);
    }
    await rig.clock.run(consuming);
    clearImmediate(ticking);
    expect(outbox.takeDrops()).toEqual([drop(1, 100_000, "expired")]);
    expect(outbox.status()).toMatchObject({ depth: 1, firstSeq: 100_001, dropped: 100_000, acknowledged: 0 });
    expect(Math.max(...perTurn.values())).toBeLessThanOrEqual(Math.ceil((128 * 1024) / STORED_BYTES));
    expect(peeks).toBeLessThanOrEqual(3);
    expect(next).toBe(100_002);
    await outbox.close();
  });

  test("goes without anybody asking for a record", async () => {
    const { rig, outbox } = await tooOld(500, TEN_AT_A_TIME);
    await rig.clock.advance(60_000 + 49 * 5 - 1);
    expect(outbox.status().dropped).toBe(490);
    await rig.clock.advance(10);
    expect(outbox.status()).toMatchObject({ depth: 0, dropped: 500 });
    expect(outbox.takeDrops()).toEqual([drop(1, 500, "expired")]);
    await outbox.close();
  });

  test.each(["kill", "cutPower", "close"] as const)(
    "is told exactly once, after whatever piece the run ends (%s)",
    async (ending) => {
      for (let pieces = 0; pieces <= 22; pieces++) {
        const { rig, outbox } = await tooOld(200, TEN_AT_A_TIME);
        let told = 0;
        for (let piece = 1; piece <= pieces; piece++) {
          outbox.peek(1, 10);
          for (const one of outbox.takeDrops()) {
            expect(one).toEqual(drop(1, 200, "expired"));
            fill(outbox, 1);
            told++;
          }
        }
        if (told > 0) await outbox.sync();
        if (ending === "close") await outbox.close();
        else rig[ending]();
        const next = await rig.open();
        peekOn(next);
        const left = drain(next);
        expect(left, `${pieces} pieces`).toEqual(told > 0 ? [201] : []);
        // The acknowledged number is not synced: after a power cut the records are there again, and so is the loss.
        const again = told === 0 || ending === "cutPower";
        expect(next.takeDrops(), `${pieces} pieces`).toEqual(again ? [drop(1, 200, "expired")] : []);
        if (pieces === 22) expect(told).toBe(1);
      }
    },
  );

  test("holds up no record that goes ahead of it", async () => {
    const { rig, outbox } = await tooOld(200, TEN_AT_A_TIME);
    expect(outbox.peek(0, 10)).toEqual([]);
    fill(outbox, 3);
    await outbox.available(201, new AbortController().signal);
    expect(outbox.peek(201, 10).map(({ seq }) => seq)).toEqual([201, 202, 203]);
    outbox.ackAhead(201, 203);
    // And nobody who is ahead spins.
    expect(outbox.peek(204, 10)).toEqual([]);
    let woken = 0;
    const fourth = outbox.available(204, new AbortController().signal).then(() => woken++);
    await rig.clock.advance(5_000);
    expect([woken, outbox.status().depth, outbox.status().dropped]).toEqual([0, 0, 200]);
    fill(outbox, 1);
    await fourth;
    expect(drain(outbox)).toEqual([204]);
    expect(outbox.takeDrops()).toEqual([drop(1, 200, "expired")]);
    expect(outbox.status().acknowledged).toBe(3);
    await outbox.close();
  });

  test("ends where a record is not too old, and what grows old later is told apart", async () => {
    const { rig, outbox } = await tooOld(35, TEN_AT_A_TIME);
    fill(outbox, 5);
    expect(peekOn(outbox)).toBe(4);
    expect(outbox.takeDrops()).toEqual([drop(1, 35, "expired")]);
    rig.clock.setWall(rig.clock.wallMs() + 2 * DAY_MS);
    peekOn(outbox);
    expect(outbox.takeDrops()).toEqual([drop(36, 40, "expired")]);
  });

  test("is not told in pieces where other losses are found and told meanwhile", async () => {
    const { rig, outbox } = await tooOld(200, TEN_AT_A_TIME);
    await outbox.close();
    rig.edit("00000001.seg", (bytes) => bytes.fill(0xff, 64 + 150 * STORED_BYTES, 64 + 155 * STORED_BYTES));
    const next = await rig.open();
    next.peek(1, 10);
    // Somebody who reads ahead comes upon damage.
    next.peek(140, 50);
    expect(next.takeDrops()).toEqual([drop(151, 155, "corrupt")]);
    peekOn(next);
    expect(next.takeDrops()).toEqual([drop(1, 150, "expired"), drop(156, 200, "expired")]);
    expect(next.status().dropped).toBe(200);
  });

  test("stays where the disk cannot be read, and goes on when it can", async () => {
    const { rig, outbox } = await tooOld(2_000, TEN_AT_A_TIME);
    await outbox.close();
    const layer = faultyFiles(rig.files);
    const again = new Rig({ ...rig.options }, () => layer);
    again.clock = rig.clock;
    const next = await again.open();
    next.peek(1, 1);
    layer.fault = (operation, path) => (operation === "read" && path.endsWith(".seg") ? "EIO" : undefined);
    await rig.clock.advance(20_000);
    const { dropped, fault } = next.status();
    expect(fault).toContain("EIO");
    expect(dropped).toBeLessThan(2_000);
    expect(next.takeDrops()).toEqual([]);
    layer.fault = () => undefined;
    await rig.clock.advance(20_000);
    expect(next.status()).toMatchObject({ depth: 0, dropped: 2_000, fault: undefined });
    expect(next.takeDrops()).toEqual([drop(1, 2_000, "expired")]);
    await next.close();
  });

  test("is given up by hand as far as it is not gone by itself", async () => {
    const { rig, outbox } = await tooOld(30, TEN_AT_A_TIME);
    fill(outbox, 1_500);
    const counts: number[] = [];
    while (outbox.status().firstSeq! <= 1_520) counts.push(outbox.drop(1_520));
    expect(counts).toEqual([0, 0, 0, 1_000, 490]);
    expect(outbox.takeDrops()).toEqual([drop(1, 30, "expired"), drop(31, 1_520, "operator")]);
    expect(drain(outbox)).toEqual(numbers(1_521, 1_530));
    await rig.clock.advance(1_000);
    await outbox.close();
  });

  test.each(["by their age", "by hand"])(
    "takes nothing without a word from a tail, given up %s",
    async (how) => {
      const { rig, outbox } = await tooOld(0, { tail: TAIL, pieceBytes: 10 * STORED_BYTES });
      fill(outbox, 15);
      if (how === "by hand") outbox.drop(15);
      else {
        rig.clock.setWall(rig.clock.wallMs() + 2 * DAY_MS);
        peekOn(outbox);
      }
      expect(outbox.status()).toMatchObject({ depth: 0, dropped: 15 });
      // With this they are on flash, and gone.
      fill(outbox, 1);
      await outbox.sync();
      rig.kill();
      const next = await rig.open();
      expect(drain(next)).toEqual([16]);
      expect(next.takeDrops()).toEqual([drop(1, 15, "full")]);
      await next.close();
    },
  );

  test("is told as lost where the tail was used again meanwhile", async () => {
    const { rig, outbox } = await tooOld(0, { tail: TAIL, segmentBytes: 512, maxRecordBytes: 100 });
    fill(outbox, 12);
    outbox.drop(12);
    fill(outbox, 8);
    rig.kill();
    const next = await rig.open();
    const left = drain(next);
    expect(left.slice(-8)).toEqual(numbers(13, 20));
    const first = left[0]!;
    expect(first).toBeGreaterThan(1);
    expect(next.takeDrops()).toEqual([drop(1, first - 1, "full")]);
    await next.close();
  });
});
