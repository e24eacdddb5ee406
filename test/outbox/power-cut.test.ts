import { describe, expect, test } from "vitest";
import { drain, drop, fill, numbers, Rig } from "./rig.ts";

describe("a power cut", () => {
  test("spares what was synced, and names the numbers of which nothing is known", async () => {
    const rig = new Rig();
    const first = await rig.open();
    fill(first, 30);
    await first.sync();
    fill(first, 5);
    rig.cutPower();
    const second = await rig.open();
    expect(second.opening).toEqual({
      stream: first.opening.stream,
      run: 2,
      lastEnd: "power_cut",
      skipped: { fromSeq: 31, toSeq: 4096 },
    });
    expect(fill(second, 1)).toBe(4097);
    expect(drain(second)).toEqual([...numbers(1, 30), 4097]);
    expect(second.takeDrops()).toEqual([]);
    expect(second.status()).toMatchObject({ depth: 31 });
  });

  test("spares what has waited for the configured time", async () => {
    const rig = new Rig({ syncAfterMs: 1000 });
    const first = await rig.open();
    fill(first, 10);
    await rig.clock.advance(1000);
    fill(first, 10);
    await rig.clock.advance(500);
    rig.cutPower();
    expect(drain(await rig.open())).toEqual(numbers(1, 10));
  });

  test("spares every record where none may wait", async () => {
    const rig = new Rig({ syncAfterMs: 0 });
    const first = await rig.open();
    fill(first, 90);
    rig.cutPower();
    expect(drain(await rig.open())).toEqual(numbers(1, 90));
  });

  test("has skipped numbers named again until a record of the new run is stored", async () => {
    const rig = new Rig();
    fill(await rig.open(), 5);
    rig.cutPower();
    await rig.open();
    rig.kill();
    const third = await rig.open();
    expect(third.opening).toMatchObject({ lastEnd: "killed", skipped: { fromSeq: 1, toSeq: 4096 } });
    expect(fill(third, 1)).toBe(4097);
    rig.kill();
    const fourth = await rig.open();
    expect(fourth.opening.skipped).toBeUndefined();
    expect(drain(fourth)).toEqual([4097]);
  });

  test("has skipped numbers named again where the run that was told stored nothing and ended cleanly", async () => {
    const rig = new Rig();
    fill(await rig.open(), 5);
    rig.cutPower();
    await (await rig.open()).close();
    expect((await rig.open()).opening).toMatchObject({
      lastEnd: "clean",
      skipped: { fromSeq: 1, toSeq: 4096 },
    });
  });

  test("spares records appended while a sync was under way, across segments", async () => {
    const rig = new Rig();
    const first = await rig.open();
    fill(first, 30);
    const syncing = first.sync();
    fill(first, 60);
    await syncing;
    fill(first, 50);
    await first.sync();
    expect(first.status()).toMatchObject({ syncedSeq: 140, fault: undefined });
    rig.cutPower();
    expect(drain(await rig.open())).toEqual(numbers(1, 140));
  });

  test("twice in a row skips one range", async () => {
    const rig = new Rig();
    await rig.open();
    rig.cutPower();
    await rig.open();
    rig.cutPower();
    expect((await rig.open()).opening).toMatchObject({ run: 3, skipped: { fromSeq: 1, toSeq: 2 * 4096 } });
  });

  test("never brings a number back, however many were given", async () => {
    const rig = new Rig({ maxSizeBytes: 4 * 1024 * 1024 });
    const first = await rig.open();
    const lastSeq = fill(first, 9000);
    rig.cutPower();
    const second = await rig.open();
    expect(second.status().nextSeq).toBeGreaterThan(lastSeq);
  });

  test("does not turn acknowledged records into losses where their segments were used again", async () => {
    const rig = new Rig();
    const first = await rig.open();
    for (let i = 0; i < 500; i++) first.ack(fill(first, 1));
    await first.sync();
    rig.cutPower();
    const second = await rig.open();
    drain(second);
    expect(second.takeDrops()).toEqual([]);
  });

  test("does not turn delivered records into losses where only younger ones had to be on flash", async () => {
    const rig = new Rig({ segmentBytes: 512, maxRecordBytes: 100 });
    const first = await rig.open();
    fill(first, 20);
    first.ack(19);
    await first.sync();
    rig.cutPower();
    const second = await rig.open();
    expect(drain(second).at(-1)).toBe(20);
    expect(second.takeDrops()).toEqual([]);
  });

  test("reports dropped records again where the report may have been lost with it", async () => {
    const rig = new Rig();
    const first = await rig.open();
    fill(first, 200);
    const [lost] = first.takeDrops();
    await first.sync();
    rig.cutPower();
    const second = await rig.open();
    expect(second.takeDrops()).toEqual([drop(1, lost!.toSeq, "full")]);
  });
});

describe("what a power cut may undo", () => {
  test("a report not yet on flash: the loss is told again even where the acknowledgement got there", async () => {
    const rig = new Rig();
    const first = await rig.open();
    fill(first, 190);
    await first.sync();
    const taken = first.takeDrops();
    fill(first, 1);
    // The kernel happens to write this file back, and not the report.
    rig.edit("ack", () => {});
    rig.cutPower();
    expect((await rig.open()).takeDrops()).toEqual(taken);
  });

  test("a report on flash, no more", async () => {
    const rig = new Rig();
    const first = await rig.open();
    fill(first, 190);
    first.takeDrops();
    fill(first, 1);
    await first.sync();
    rig.edit("ack", () => {});
    rig.cutPower();
    expect((await rig.open()).takeDrops()).toEqual([]);
  });

  test("a report that a killed run left in the kernel's hands", async () => {
    const rig = new Rig();
    const first = await rig.open();
    fill(first, 190);
    await first.sync();
    const taken = first.takeDrops();
    fill(first, 1);
    rig.kill();
    expect((await rig.open()).takeDrops()).toEqual([]);
    rig.edit("ack", () => {});
    rig.cutPower();
    expect((await rig.open()).takeDrops()).toEqual(taken);
  });

  test("the record that told of skipped numbers: they are named again though the state was written since", async () => {
    const rig = new Rig({ maxSizeBytes: 4 * 1024 * 1024 });
    await rig.open();
    rig.cutPower();
    const second = await rig.open();
    fill(second, 4000);
    await rig.clock.advance(1);
    rig.cutPower();
    expect((await rig.open()).opening.skipped).toMatchObject({ fromSeq: 1 });
  });
});

describe("a killed process", () => {
  test("loses nothing, and numbers go on without a hole", async () => {
    const rig = new Rig();
    const first = await rig.open();
    fill(first, 77);
    first.ack(33);
    rig.kill();
    const second = await rig.open();
    expect(second.opening).toEqual({ stream: first.opening.stream, run: 2, lastEnd: "killed" });
    expect(drain(second)).toEqual(numbers(34, 77));
    expect(fill(second, 1)).toBe(78);
  });

  test("has what it left unsynced synced by the next run", async () => {
    const rig = new Rig();
    fill(await rig.open(), 100);
    rig.kill();
    await rig.open();
    await rig.clock.advance(1000);
    rig.cutPower();
    expect(drain(await rig.open())).toEqual(numbers(1, 100));
  });

  test("has delivered records synced by the next run as long as a power cut would undo their delivery", async () => {
    const rig = new Rig();
    const first = await rig.open();
    fill(first, 190);
    await first.sync();
    first.ack(160);
    fill(first, 45);
    first.ack(232);
    first.takeDrops();
    fill(first, 1);
    rig.kill();
    await (await rig.open()).sync();
    rig.cutPower();
    const third = await rig.open();
    expect(drain(third)).toEqual(numbers(81, 236));
    expect(third.takeDrops()).toEqual([drop(1, 80, "full")]);
  });

  test("has a loss reported by the next run that it had no time to report", async () => {
    const rig = new Rig();
    fill(await rig.open(), 200);
    rig.kill();
    const second = await rig.open();
    const left = drain(second);
    expect(second.takeDrops()).toEqual([drop(1, left[0]! - 1, "full")]);
  });

  test("has a loss reported again unless a record was stored after it was taken", async () => {
    const rig = new Rig();
    const first = await rig.open();
    fill(first, 190);
    const taken = first.takeDrops();
    rig.kill();
    const second = await rig.open();
    expect(second.takeDrops()).toEqual(taken);
    fill(second, 1);
    rig.kill();
    expect((await rig.open()).takeDrops()).toEqual([]);
  });

  test("has each of several losses reported again unless a record was stored for it", async () => {
    const rig = new Rig();
    const first = await rig.open();
    fill(first, 120);
    await first.close();
    for (const index of [3, 6, 9])
      rig.edit("00000001.seg", (bytes) => bytes.fill(0, 64 + index * 100, 164 + index * 100));
    const second = await rig.open();
    drain(second);
    expect(second.takeDrops()).toHaveLength(3);
    second.ack(50);
    fill(second, 2);
    rig.kill();
    const third = await rig.open();
    drain(third);
    expect(third.takeDrops()).toEqual([drop(10, 10, "corrupt")]);
  });

  test("has records that it turned away reported by the next run", async () => {
    const rig = new Rig({ whenFull: "drop_newest" });
    const first = await rig.open();
    fill(first, 200);
    const kept = drain(first).length;
    rig.kill();
    const second = await rig.open();
    expect(second.takeDrops()).toEqual([drop(kept + 1, 200, "full")]);
    second.ack(kept);
    expect(fill(second, 1)).toBe(201);
    expect(drain(second)).toEqual([201]);
    expect(second.takeDrops()).toEqual([]);
  });
});
