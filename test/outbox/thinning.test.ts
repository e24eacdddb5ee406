import { describe, expect, test } from "vitest";
import { Losses } from "../../src/audit/losses.ts";
import { RangeSet } from "../../src/audit/ranges.ts";
import { seededRandom } from "../../src/device/random.ts";
import type { FileLayer } from "../../src/outbox/files/files.ts";
import type { OutboxOptions } from "../../src/outbox/open.ts";
import type { Drop, Outbox } from "../../src/outbox/outbox.ts";
import type { Segment } from "../../src/outbox/segments/segment.ts";
import { survey } from "../../src/outbox/segments/survey.ts";
import { howMany } from "../exhaustive.ts";
import { type FaultyFiles, faultyFiles } from "./faulty-files.ts";
import { DAY_MS, drop, FOLDER, numbers, Rig } from "./rig.ts";

/** Records that say whose they are: readings of some sensors in turns, and now and then an event. */
const SENSORS = ["air", "soil", "tank"];
const EVENT_EVERY = 25;

function name(seq: number): string {
  return seq % EVENT_EVERY === 0 ? "event" : SENSORS[seq % SENSORS.length]!;
}

function bytesOf(seq: number): Buffer {
  return Buffer.from(`${name(seq)} ${seq} ${(seq * 2_654_435_761) >>> 0}`.padEnd(80, "."));
}

function seriesOf(record: Uint8Array): string | undefined {
  const series = Buffer.from(record).toString().split(" ")[0]!;
  return series === "event" ? undefined : series;
}

const SIXTEEN: Partial<OutboxOptions> = { maxSizeBytes: 20 * 1024 + 16 * 4096, segmentBytes: 4096 };

/** Appends records as fast as they are synced. */
async function fill(outbox: Outbox, count: number): Promise<void> {
  for (let left = count; left > 0; left--) {
    outbox.append(bytesOf(outbox.status().nextSeq));
    if (left % 20 === 0) await outbox.sync();
  }
  await outbox.sync();
}

/** All that waits, each record as it was appended; and what was told of the rest. */
function settle(outbox: Outbox): { readonly seqs: number[]; readonly drops: Drop[] } {
  const seqs: number[] = [];
  for (let page = outbox.peek(1, 50); page.length > 0; page = outbox.peek(1, 50)) {
    for (const { seq, record } of page) {
      expect(Buffer.from(record).toString()).toBe(bytesOf(seq).toString());
      seqs.push(seq);
    }
    outbox.ack(seqs.at(-1)!);
  }
  return { seqs, drops: [...outbox.takeDrops()] };
}

const total = (drops: readonly Drop[]) => drops.reduce((sum, { count }) => sum + count, 0);
const events = (upTo: number) => numbers(1, upTo).filter((seq) => name(seq) === "event");

test("room is made beforehand, piece by piece, so that no append waits for it", async () => {
  let layer: FaultyFiles | undefined;
  const rig = new Rig({ ...SIXTEEN, whenFull: "thin" }, (files) => (layer ??= faultyFiles(files)), seriesOf);
  const outbox = await rig.open();
  const isRead = ({ operation }: { readonly operation: string }) => operation === "read";
  let pieces = 0;
  for (let seq = 1; seq <= 3_000; seq++) {
    const before = layer!.calls.length;
    outbox.append(bytesOf(seq));
    expect(layer!.calls.slice(before).filter(isRead)).toEqual([]);
    await rig.clock.advance(2_000);
    pieces += layer!.calls.slice(before).filter(isRead).length;
  }
  expect(outbox.status().givenUp).toBeGreaterThan(1_000);
  expect(pieces).toBeGreaterThan(100);
});

describe("an outbox that thins when it is full", () => {
  const thin = { ...SIXTEEN, whenFull: "thin" } as const;

  test("tells in a few words what has grown too old among what was thinned", async () => {
    const rig = new Rig(thin, undefined, seriesOf);
    const outbox = await rig.open();
    await fill(outbox, 3_000);
    await rig.clock.advance(31 * DAY_MS);
    outbox.append(bytesOf(3_001));
    expect(outbox.peek(1, 10).map(({ seq }) => seq)).toEqual([3_001]);
    const drops = outbox.takeDrops();
    const expired = drops.filter(({ reason }) => reason === "expired");
    expect(expired).toEqual([drop(1, 3_000, "expired", expired[0]?.count)]);
    expect(total(drops)).toBe(3_000);
    expect(drops.length).toBeLessThan(5);
  });

  test("comes back to a segment that could not be read for a while, and does not ask for it all the time", async () => {
    let layer: FaultyFiles | undefined;
    const rig = new Rig(thin, (files) => (layer ??= faultyFiles(files)), seriesOf);
    const outbox = await rig.open();
    await fill(outbox, 500);
    const [oldest, next] = survey(rig.mount, FOLDER).segments;
    expect(oldest!.header.rewritten).toBeUndefined();
    let looks = 0;
    layer!.fault = (operation, path) => {
      if (path !== oldest!.path || operation === "write") return undefined;
      looks++;
      return "EIO";
    };
    await fill(outbox, 400);
    // Others are thinned meanwhile, its neighbour among them.
    expect(survey(rig.mount, FOLDER).segments[0]!.header.rewritten).toBeUndefined();
    const kept = (seqs: readonly number[], { header, lastSeq }: Segment) =>
      seqs.filter((seq) => seq >= header.firstSeq && seq <= lastSeq).length;
    expect(looks).toBeGreaterThan(0);
    expect(looks).toBeLessThan(8);
    layer!.fault = () => undefined;
    await rig.clock.advance(70_000);
    await fill(outbox, 400);
    const { seqs, drops } = settle(outbox);
    expect(kept(seqs, next!)).toBeLessThan(30);
    expect(kept(seqs, oldest!)).toBeLessThan(30);
    expect(seqs.filter((seq) => name(seq) === "event")).toEqual(events(1_300));
    expect(drops.filter(({ reason }) => reason === "corrupt")).toEqual([]);
    expectAccounted(1_300, seqs, drops);
  });

  test("keeps every event, all young readings, and of old ones the fewer the older they are", async () => {
    const rig = new Rig(thin, undefined, seriesOf);
    const outbox = await rig.open();
    await fill(outbox, 3_000);
    const { seqs, drops } = settle(outbox);
    expect(seqs.filter((seq) => name(seq) === "event")).toEqual(events(3_000));
    // Without thinning there would be room for some 600.
    expect(seqs.length).toBeGreaterThan(1_000);
    const kept = (from: number, to: number) =>
      seqs.filter((seq) => seq >= from && seq <= to && name(seq) !== "event").length / (to - from + 1);
    expect(kept(2_800, 3_000)).toBeGreaterThan(0.95);
    expect(seqs.length + total(drops)).toBe(3_000);
    expect(rig.disk.usedBytes(FOLDER)).toBeLessThanOrEqual(rig.options.maxSizeBytes);
  });
});

/** Judged as a consumer would: whatever of the first `given` numbers was not delivered, the accounts allow for. */
function expectAccounted(given: number, delivered: readonly number[], drops: readonly Drop[]): void {
  const received = new RangeSet();
  for (const seq of delivered) received.add(seq);
  const losses = new Losses();
  for (const { fromSeq, toSeq, count, reason } of drops)
    losses.drop({ from: fromSeq, to: toSeq, count }, reason);
  expect(losses.missing(received.gaps(1, given))).toEqual([]);
}

describe("an outbox that gives up readings before events", () => {
  const modes = ["drop_oldest", "thin"] as const;

  test.each(modes)(
    "does so again after a burst that was not on flash yet cost it whole segments (%s)",
    async (whenFull) => {
      const outbox = await new Rig({ ...SIXTEEN, whenFull }, undefined, seriesOf).open();
      await fill(outbox, 1_000);
      for (let seq = 1_001; seq <= 2_000; seq++) outbox.append(bytesOf(seq));
      await fill(outbox, 2_000);
      const { seqs, drops } = settle(outbox);
      expect(seqs.filter((seq) => seq > 2_000 && name(seq) === "event")).toEqual(
        events(4_000).filter((seq) => seq > 2_000),
      );
      expectAccounted(4_000, seqs, drops);
    },
  );

  test.each(modes)(
    "tells what it gave up of the backlog though younger records were read first (%s)",
    async (whenFull) => {
      const outbox = await new Rig({ ...SIXTEEN, whenFull }, undefined, seriesOf).open();
      await fill(outbox, 2_000);
      outbox.peek(1_200, 20);
      const { seqs, drops } = settle(outbox);
      expectAccounted(2_000, seqs, drops);
      expect(seqs.length + total(drops)).toBe(2_000);
    },
  );

  test.each(modes)(
    "tells after a kill what it gave up between records acknowledged ahead (%s)",
    async (whenFull) => {
      const rig = new Rig({ ...SIXTEEN, whenFull }, undefined, seriesOf);
      const killed = await rig.open();
      await fill(killed, 2_000);
      const ahead = killed.peek(700, 20).map(({ seq }) => seq);
      killed.ackAhead(ahead[0]!, ahead.at(-1)!);
      rig.kill();
      const { seqs, drops } = settle(await rig.open());
      expectAccounted(2_000, [...ahead, ...seqs], drops);
    },
  );

  test.each(modes)(
    "tells again, with the larger count, of what it thins while a page of it is under way (%s)",
    async (whenFull) => {
      const outbox = await new Rig({ ...SIXTEEN, whenFull }, undefined, seriesOf).open();
      await fill(outbox, 900);
      const page = outbox.peek(1, 60).map(({ seq }) => seq);
      await fill(outbox, 600);
      // The link breaks, and comes back: the page goes out again in part, and then its acknowledgement is there.
      outbox.peek(1, 2);
      const before = outbox.takeDrops();
      outbox.ack(page.at(-1)!);
      const { seqs, drops: after } = settle(outbox);
      const drops = [...before, ...after];
      expectAccounted(1_500, [...page, ...seqs], drops);
      for (const { fromSeq, toSeq, count } of drops) expect(count).toBeLessThanOrEqual(toSeq - fromSeq + 1);
    },
  );
});

describe("an outbox of which little can be made smaller", () => {
  /** Bytes that do not compress, and say whose they are. */
  function noise(series: string, seq: number, bytes: number): Buffer {
    const random = seededRandom(seq);
    const record = Buffer.from(Array.from({ length: bytes }, () => random() * 256));
    record.write(`${series} ${seq} `);
    return record;
  }

  /** Appends records of which four fill a segment to the brim, each on flash before the next one. */
  async function append(outbox: Outbox, series: string, count: number): Promise<void> {
    for (; count > 0; count--) {
      outbox.append(noise(series, outbox.status().nextSeq, 984));
      await outbox.sync();
    }
  }

  const seqsOf = (outbox: Outbox) => outbox.peek(1, 1_000).map(({ seq }) => seq);

  test.each(["drop_oldest", "thin"] as const)(
    "keeps events that fill whole segments as long as there are readings behind them (%s)",
    async (whenFull) => {
      const outbox = await new Rig({ ...SIXTEEN, whenFull }, undefined, seriesOf).open();
      await append(outbox, "event", 16);
      await append(outbox, "air", 100);
      expect(seqsOf(outbox).slice(0, 16)).toEqual(numbers(1, 16));
      const { seqs, drops } = drained(outbox);
      expectAccounted(116, seqs, drops);
    },
  );

  test.each(["drop_oldest", "thin"] as const)(
    "gives up its oldest events when it holds nothing else, and tells them as full (%s)",
    async (whenFull) => {
      const outbox = await new Rig({ ...SIXTEEN, whenFull }, undefined, seriesOf).open();
      await append(outbox, "event", 200);
      const { seqs, drops } = drained(outbox);
      expect(seqs).toEqual(numbers(seqs[0]!, 200));
      expect(seqs.length).toBeGreaterThan(30);
      expect(drops).toEqual([drop(1, seqs[0]! - 1, "full")]);
    },
  );
});

/** All that waits, whatever it is, and what was told of the rest. */
function drained(outbox: Outbox): { readonly seqs: number[]; readonly drops: Drop[] } {
  const seqs: number[] = [];
  for (let page = outbox.peek(1, 50); page.length > 0; page = outbox.peek(1, 50)) {
    seqs.push(...page.map(({ seq }) => seq));
    outbox.ack(seqs.at(-1)!);
  }
  return { seqs, drops: [...outbox.takeDrops()] };
}

describe("an outbox that makes room beforehand", () => {
  test("goes on where many appends overtake a rewriting that is on its way to flash", async () => {
    let syncs: (() => void)[] | undefined;
    const slowly = (files: FileLayer): FileLayer => ({
      ...files,
      open(path, mode) {
        const file = files.open(path, mode);
        const sync = async () => {
          const header = Buffer.alloc(12);
          file.read(header, 0);
          if (syncs !== undefined && header.readUInt32LE(8) === 3)
            await new Promise<void>((resolve) => syncs!.push(resolve));
          await file.sync();
        };
        return { ...file, sync };
      },
    });
    const rig = new Rig({ ...SIXTEEN, whenFull: "thin" }, slowly, seriesOf);
    const outbox = await rig.open();
    await fill(outbox, 1_000);
    syncs = [];
    while (syncs.length === 0) {
      outbox.append(bytesOf(outbox.status().nextSeq));
      await rig.clock.advance(100);
    }
    for (let i = 0; i < 200; i++) outbox.append(bytesOf(outbox.status().nextSeq));
    expect(outbox.status().fault).toBeUndefined();
    for (const goOn of syncs.splice(0)) goOn();
    syncs = undefined;
    const { seqs, drops } = settle(outbox);
    expectAccounted(outbox.status().nextSeq - 1, seqs, drops);
  });

  test("keeps every event, and accounts for the rest, where it is told to thin, not to thin, and to thin again", async () => {
    const rig = new Rig(SIXTEEN, undefined, seriesOf);
    let given = 0;
    for (const whenFull of ["thin", "drop_oldest", "thin"] as const) {
      const outbox = await rig.open({ whenFull });
      given += 1_500;
      await fill(outbox, 1_500);
      await outbox.close();
    }
    const outbox = await rig.open({ whenFull: "thin" });
    const { seqs, drops } = settle(outbox);
    expect(seqs.filter((seq) => name(seq) === "event")).toEqual(events(given));
    expectAccounted(given, seqs, drops);
  });
});

describe("what is left of readings and events", () => {
  const share = (seqs: readonly number[], from: number, to: number) => {
    const readings = numbers(from, to).filter((seq) => name(seq) !== "event");
    return readings.filter((seq) => seqs.includes(seq)).length / readings.length;
  };

  test("all readings where they are young, then half of them, a quarter, and at last events only", async () => {
    const outbox = await new Rig({ ...SIXTEEN, whenFull: "thin" }, undefined, seriesOf).open();
    await fill(outbox, 10_000);
    const { seqs, drops } = settle(outbox);
    const shares = numbers(0, 99).map((nth) => share(seqs, nth * 100 + 1, nth * 100 + 100));
    const profile = shares.filter((one, nth) => nth === 0 || Math.abs(one - shares[nth - 1]!) > 0.1);
    expect(shares[0]).toBe(0);
    expect(shares.at(-1)).toBe(1);
    // The older, the fewer: each share is met, and none is left again for one that is lower.
    expect(shares.some((one) => Math.abs(one - 1 / 4) < 0.05)).toBe(true);
    expect(shares.some((one) => Math.abs(one - 1 / 2) < 0.05)).toBe(true);
    expect(profile).toEqual(profile.toSorted((a, b) => a - b));
    expectAccounted(10_000, seqs, drops);
  });

  test("events of all times, but of readings only the youngest, where it does not thin", async () => {
    const outbox = await new Rig({ ...SIXTEEN, whenFull: "drop_oldest" }, undefined, seriesOf).open();
    await fill(outbox, 5_000);
    const { seqs, drops } = settle(outbox);
    expect(seqs.filter((seq) => name(seq) === "event")).toEqual(events(5_000));
    const readings = seqs.filter((seq) => name(seq) !== "event");
    expect(readings).toEqual(numbers(readings[0]!, 5_000).filter((seq) => name(seq) !== "event"));
    expectAccounted(5_000, seqs, drops);
  });

  test("where new readings are turned away, events still come in until the last segment is full, too", async () => {
    const outbox = await new Rig({ ...SIXTEEN, whenFull: "drop_newest" }, undefined, seriesOf).open();
    await fill(outbox, 3_000);
    const { seqs, drops } = settle(outbox);
    const lastReading = seqs.findLast((seq) => name(seq) !== "event")!;
    const late = seqs.filter((seq) => seq > lastReading);
    // A segment of 4 KiB holds an event and the gap before it some thirty times.
    expect(late.length).toBeGreaterThan(20);
    expect(late.length).toBeLessThan(40);
    expect(late).toEqual(
      events(3_000)
        .filter((seq) => seq > lastReading)
        .slice(0, late.length),
    );
    outbox.append(bytesOf(3_001));
    expectAccounted(3_000, seqs, [...drops, ...outbox.takeDrops()]);
  });

  test("the same after a restart, with the same accounts", async () => {
    const rig = new Rig({ ...SIXTEEN, whenFull: "thin" }, undefined, seriesOf);
    const before = await rig.open();
    await fill(before, 3_000);
    rig.cutPower();
    const first = settle(await rig.open());
    rig.kill();
    const second = settle(await rig.open());
    expectAccounted(3_000, first.seqs, first.drops);
    // Nothing of it was reported: what comes after a loss is open again, and so are the losses.
    expectAccounted(3_000, [...first.seqs, ...second.seqs], second.drops);
  });

  test("a disk that refuses costs readings before events, and each of them is told", async () => {
    const rig = new Rig({ ...SIXTEEN, maxRecordBytes: 1024, whenFull: "thin" }, undefined, seriesOf);
    const outbox = await rig.open();
    rig.disk.refuseWrites("ENOSPC");
    // More than the 4 MiB that wait in memory.
    const bytes = (seq: number) => Buffer.concat([bytesOf(seq), Buffer.alloc(940, seq)]);
    for (let seq = 1; seq <= 5_000; seq++) outbox.append(bytes(seq));
    const seqs = outbox.peek(1, 10_000).map(({ seq }) => seq);
    expect(seqs.filter((seq) => name(seq) === "event")).toEqual(events(5_000));
    const readings = seqs.filter((seq) => name(seq) !== "event");
    expect(readings).toEqual(numbers(readings[0]!, 5_000).filter((seq) => name(seq) !== "event"));
    outbox.ack(5_000);
    rig.disk.refuseWrites(undefined);
    await rig.clock.advance(2_000);
    outbox.append(bytes(5_001));
    outbox.ack(5_001);
    expectAccounted(5_000, seqs, outbox.takeDrops());
  });

  const many = howMany(20_000, 100_000);

  test(`${many} records go through a small outbox in seconds`, async () => {
    const rig = new Rig({ ...SIXTEEN, whenFull: "thin" }, undefined, seriesOf);
    const outbox = await rig.open();
    const startedMs = performance.now();
    for (let seq = 1; seq <= many; seq++) {
      outbox.append(bytesOf(seq));
      if (seq % 100 === 0) await outbox.sync();
    }
    expect((performance.now() - startedMs) / many).toBeLessThan(0.6);
    const { seqs, drops } = settle(outbox);
    expectAccounted(many, seqs, drops);
    expect(drops.length).toBeLessThan(50);
  });

  test("each is told once where whole segments go behind rewritten ones", async () => {
    const rig = new Rig({ ...SIXTEEN, whenFull: "drop_oldest" }, undefined, seriesOf);
    const outbox = await rig.open();
    await fill(outbox, 2_000);
    for (let seq = 2_001; seq <= 3_500; seq++) outbox.append(bytesOf(seq));
    const { seqs, drops } = settle(outbox);
    expect(seqs.length + total(drops)).toBe(3_500);
    expect(outbox.status().dropped).toBe(total(drops));
  });
});
