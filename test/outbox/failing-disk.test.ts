import { describe, expect, test } from "vitest";
import { type FaultyFiles, faultyFiles } from "./faulty-files.ts";
import { drain, drop, fill, nameOf, numbers, Rig } from "./rig.ts";

/** A rig whose disk can be told to fail. The faults outlive a restart, as those of a disk do. */
function failingRig(options: ConstructorParameters<typeof Rig>[0] = {}) {
  let layer: FaultyFiles;
  let fault: FaultyFiles["fault"] = () => undefined;
  const rig = new Rig(options, (files) => {
    layer = faultyFiles(files);
    layer.fault = (...call) => fault(...call);
    return layer;
  });
  return {
    rig,
    fail(next: FaultyFiles["fault"]) {
      fault = next;
    },
    mend() {
      fault = () => undefined;
    },
    calls: () => layer.calls,
    openFiles: () => layer.openFiles(),
  };
}

const isSegment = (path: string) => path.endsWith(".seg");

describe("a disk that refuses writes", () => {
  test("costs nothing while it comes back in time", async () => {
    const { rig, fail, mend } = failingRig();
    const outbox = await rig.open();
    fill(outbox, 20);
    fail((operation, path) => (operation === "write" && isSegment(path) ? "EIO" : undefined));
    fill(outbox, 30);
    expect(outbox.status().fault).toContain("EIO");
    expect(outbox.status()).toMatchObject({ depth: 50, nextSeq: 51, dropped: 0 });
    expect(drain(outbox)).toEqual(numbers(1, 50));
    mend();
    await rig.clock.advance(3000);
    expect(outbox.status().fault).toBeUndefined();
    fill(outbox, 5);
    expect(drain(outbox)).toEqual(numbers(1, 55));
    rig.kill();
    const second = await rig.open();
    expect(second.opening.skipped).toBeUndefined();
    expect(drain(second)).toEqual(numbers(1, 55));
  });

  test("does not keep records from being delivered", async () => {
    const { rig, fail, mend } = failingRig();
    const outbox = await rig.open();
    fail((operation) => (operation === "write" ? "EROFS" : undefined));
    fill(outbox, 30);
    outbox.ack(12);
    expect(drain(outbox)).toEqual(numbers(13, 30));
    outbox.ack(30);
    expect(outbox.status()).toMatchObject({ depth: 0, acknowledged: 30 });
    mend();
    await rig.clock.advance(3000);
    fill(outbox, 3);
    outbox.ack(31);
    rig.kill();
    const second = await rig.open();
    expect(drain(second)).toEqual([32, 33]);
    expect(second.takeDrops()).toEqual([]);
  });

  test("costs the oldest of what memory holds in the end, told when it is over", async () => {
    const { rig, fail, mend } = failingRig({ maxSizeBytes: 16 * 1024 * 1024, maxRecordBytes: 32 * 1024 });
    const outbox = await rig.open();
    fill(outbox, 10);
    fail((operation, path) => (operation === "write" && isSegment(path) ? "EIO" : undefined));
    const bytes = new Uint8Array(32 * 1024);
    for (let i = 0; i < 200; i++) outbox.append(bytes);
    const left = outbox.peek(11, 1000);
    expect(left.length).toBe(127);
    expect(left.at(-1)!.seq).toBe(210);
    expect(outbox.takeDrops()).toEqual([]);
    mend();
    await rig.clock.advance(3000);
    expect(outbox.takeDrops()).toEqual([drop(11, 210 - 127, "full")]);
    expect(outbox.peek(1, 1000).map(({ seq }) => seq)).toEqual([...numbers(1, 10), ...numbers(84, 210)]);
    rig.kill();
    const second = await rig.open();
    expect(second.peek(1, 1000)).toHaveLength(137);
  });

  test("never makes a number come twice, even where the process is killed meanwhile", async () => {
    const { rig, fail, mend } = failingRig();
    const first = await rig.open();
    fill(first, 10);
    fail((operation, path) => (operation === "write" && isSegment(path) ? "EIO" : undefined));
    fill(first, 10);
    await rig.clock.advance(10);
    rig.kill();
    mend();
    const second = await rig.open();
    expect(second.opening).toMatchObject({ lastEnd: "killed", skipped: { fromSeq: 11 } });
    expect(fill(second, 1)).toBeGreaterThan(20);
  });

  test("is found again usable though it was full when a segment was to be made", async () => {
    const { rig, fail, mend } = failingRig();
    const outbox = await rig.open();
    fill(outbox, 35);
    fail((operation, path, position) =>
      operation === "write" && path.endsWith("00000002.seg") && position === 0 ? "ENOSPC" : undefined,
    );
    fill(outbox, 20);
    expect(outbox.status().fault).toContain("ENOSPC");
    expect(rig.segments()).toEqual(["00000001.seg"]);
    mend();
    await rig.clock.advance(3000);
    expect(outbox.status().fault).toBeUndefined();
    expect(drain(outbox)).toEqual(numbers(1, 55));
  });

  test("is reported when numbers cannot be reserved, and records go on", async () => {
    const { rig, fail, mend } = failingRig({ maxSizeBytes: 4 * 1024 * 1024 });
    const outbox = await rig.open();
    fail((operation, path) => (operation === "write" && path.endsWith("/state") ? "EIO" : undefined));
    fill(outbox, 5000);
    expect(outbox.status().fault).toContain("EIO");
    mend();
    await rig.clock.advance(3000);
    expect(outbox.status().fault).toBeUndefined();
    rig.kill();
    expect(drain(await rig.open())).toEqual(numbers(1, 5000));
  });

  test("lets the outbox close, which says what was lost with it", async () => {
    const { rig, fail, mend } = failingRig();
    const outbox = await rig.open();
    fail((operation, path) => (operation === "write" && isSegment(path) ? "EIO" : undefined));
    fill(outbox, 4);
    await expect(outbox.close()).rejects.toThrow("4 records could not be written: EIO");
    mend();
    const second = await rig.open();
    expect(second.opening.skipped).toMatchObject({ fromSeq: 1 });
  });
});

describe("a disk that fails a sync", () => {
  test("has what was to be synced written again, somewhere else", async () => {
    const { rig, fail, mend } = failingRig();
    const outbox = await rig.open();
    fill(outbox, 10);
    await outbox.sync();
    fill(outbox, 10);
    fail((operation, path) => (operation === "sync" && isSegment(path) ? "EIO" : undefined));
    await expect(outbox.sync()).rejects.toThrow("EIO");
    expect(outbox.status()).toMatchObject({ depth: 20, syncedSeq: 10 });
    expect(outbox.status().fault).toContain("EIO");
    expect(drain(outbox)).toEqual(numbers(1, 20));
    mend();
    fill(outbox, 5);
    await rig.clock.advance(3000);
    expect(outbox.status()).toMatchObject({ fault: undefined, syncedSeq: 25, depth: 25 });
    rig.cutPower();
    const second = await rig.open();
    expect(drain(second)).toEqual(numbers(1, 25));
    expect(second.takeDrops()).toEqual([]);
    expect(second.status().depth).toBe(25);
  });

  test("has it written again where every append is synced", async () => {
    const { rig, fail, mend } = failingRig({ syncAfterMs: 0 });
    const outbox = await rig.open();
    fill(outbox, 45);
    fail((operation, path) => (operation === "sync" && isSegment(path) ? "EIO" : undefined));
    fill(outbox, 5);
    mend();
    await rig.clock.advance(3000);
    rig.cutPower();
    expect(drain(await rig.open())).toEqual(numbers(1, 50));
  });

  test("again and again stays within its size", async () => {
    const { rig, fail, mend } = failingRig();
    const outbox = await rig.open();
    fail((operation, path) => (operation === "sync" && isSegment(path) ? "EIO" : undefined));
    for (let i = 0; i < 20; i++) {
      fill(outbox, 5);
      await rig.clock.advance(2000);
      expect(rig.disk.usedBytes("/outbox")).toBeLessThanOrEqual(rig.options.maxSizeBytes);
    }
    expect(drain(outbox)).toEqual(numbers(1, 100));
    mend();
    await rig.clock.advance(3000);
    rig.cutPower();
    expect(drain(await rig.open())).toEqual(numbers(1, 100));
  });

  test("after a gap keeps the gap's place", async () => {
    const { rig, fail, mend } = failingRig({ whenFull: "drop_newest" });
    const outbox = await rig.open();
    fill(outbox, 170);
    outbox.ack(80);
    fill(outbox, 10);
    const kept = drain(outbox);
    fail((operation, path) => (operation === "sync" && isSegment(path) ? "EIO" : undefined));
    await expect(outbox.sync()).rejects.toThrow("EIO");
    expect(drain(outbox)).toEqual(kept);
    mend();
    await rig.clock.advance(3000);
    rig.cutPower();
    const second = await rig.open();
    expect(drain(second)).toEqual(kept);
    expect(second.takeDrops()).toEqual([drop(161, 170, "full")]);
  });
});

describe("a disk that refuses reads", () => {
  test("delays delivery, and nobody spins meanwhile", async () => {
    const { rig, fail, mend } = failingRig();
    fill(await rig.open(), 50);
    rig.kill();
    const outbox = await rig.open();
    fail((operation, path) => (operation === "read" && isSegment(path) ? "EIO" : undefined));
    expect(outbox.peek(1, 10)).toEqual([]);
    expect(outbox.status().fault).toContain("EIO");
    let woken = 0;
    const again = outbox.available(1, new AbortController().signal).then(() => woken++);
    await rig.clock.advance(500);
    expect(woken).toBe(0);
    mend();
    await rig.clock.advance(1000);
    await again;
    expect(drain(outbox)).toEqual(numbers(1, 50));
    expect(outbox.takeDrops()).toEqual([]);
    expect(outbox.status().fault).toBeUndefined();
  });

  test("in one block only costs the records in that block", async () => {
    const { rig, fail } = failingRig({ segmentBytes: 16_384, maxSizeBytes: 256 * 1024 });
    fill(await rig.open(), 150);
    rig.kill();
    const outbox = await rig.open();
    const overlaps = (position: number, bytes: number) => position < 8192 && position + bytes > 4200;
    fail((operation, path, position, bytes) =>
      operation === "read" && isSegment(path) && overlaps(position, bytes) ? "EIO" : undefined,
    );
    const entries = outbox.peek(1, 1000);
    const [lost] = outbox.takeDrops();
    expect(lost).toMatchObject({ reason: "corrupt" });
    expect(lost!.count).toBeLessThanOrEqual(82);
    expect(entries.map(nameOf)).toEqual(
      [...numbers(1, lost!.fromSeq - 1), ...numbers(lost!.toSeq + 1, 150)].map(String),
    );
  });
});

describe("what the disk is asked to do", () => {
  const bytesOf = (calls: FaultyFiles["calls"], operation: string) =>
    calls.filter((call) => call.operation === operation && isSegment(call.path));

  test("opening a backlog of 100,000 records reads every header, one segment and that of the oldest record", async () => {
    const { rig, calls } = failingRig({ maxSizeBytes: 32 * 1024 * 1024, segmentBytes: 256 * 1024 });
    const first = await rig.open();
    for (let i = 0; i < 100_000; i++) first.append(Buffer.alloc(160, i));
    first.ack(1);
    await first.close();
    const second = await rig.open();
    const headers = rig.segments().length;
    const reads = bytesOf(calls(), "read");
    expect(headers).toBeGreaterThan(60);
    expect(reads.filter(({ bytes }) => bytes <= 96)).toHaveLength(headers);
    expect(new Set(reads.filter(({ bytes }) => bytes > 96).map(({ path }) => path)).size).toBe(1);
    const before = calls().length;
    expect(second.status()).toMatchObject({ depth: 99_999, depthBytes: 99_999 * 160 });
    expect(second.peek(1, 1)).toHaveLength(1);
    const touched = bytesOf(calls().slice(before), "read").map(({ path }) => path);
    expect(new Set(touched).size).toBe(1);
    await second.close();
  });

  test("segments used again and again without a sync are closed each time", async () => {
    const { rig, openFiles } = failingRig();
    const outbox = await rig.open();
    outbox.ack(fill(outbox, 100));
    const before = openFiles();
    for (let i = 0; i < 50; i++) outbox.ack(fill(outbox, 100));
    expect(openFiles()).toBe(before);
    await outbox.close();
  });

  test("segments whose sync fails are closed", async () => {
    const { rig, fail, mend, openFiles } = failingRig();
    const outbox = await rig.open();
    fill(outbox, 10);
    await outbox.sync();
    const before = openFiles();
    fill(outbox, 100);
    fail((operation, path) => (operation === "sync" && isSegment(path) ? "EIO" : undefined));
    await expect(outbox.sync()).rejects.toThrow("EIO");
    mend();
    await rig.clock.advance(3000);
    expect(outbox.status()).toMatchObject({ fault: undefined, syncedSeq: 110 });
    expect(openFiles()).toBe(before);
    await outbox.close();
  });

  test("records acknowledged in time are never synced", async () => {
    const { rig, calls } = failingRig();
    const outbox = await rig.open();
    const before = calls().length;
    for (let i = 0; i < 50; i++) {
      outbox.append(new Uint8Array(160));
      await rig.clock.advance(500);
      outbox.ack(outbox.status().nextSeq - 1);
      await rig.clock.advance(9500);
    }
    const syncs = calls()
      .slice(before)
      .filter(({ operation }) => operation === "sync");
    // Using a segment again needs the acknowledged number on flash first.
    expect(syncs.filter(({ path }) => isSegment(path))).toEqual([]);
    expect(syncs.length).toBeLessThanOrEqual(2);
    await outbox.close();
  });

  test("many records that wait share one sync", async () => {
    const { rig, calls } = failingRig();
    const outbox = await rig.open();
    const before = calls().length;
    for (let i = 0; i < 20; i++) {
      outbox.append(new Uint8Array(80));
      await rig.clock.advance(40);
    }
    await rig.clock.advance(5000);
    const syncs = bytesOf(calls().slice(before), "sync");
    expect(syncs).toHaveLength(1);
    expect(outbox.status().syncedSeq).toBe(20);
    await outbox.close();
  });

  test("an idle outbox asks nothing of it", async () => {
    const { rig, calls } = failingRig();
    const outbox = await rig.open();
    fill(outbox, 10);
    await rig.clock.advance(2000);
    const before = calls().length;
    await rig.clock.advance(86_400_000);
    expect(calls().slice(before)).toEqual([]);
    await outbox.close();
  });
});
