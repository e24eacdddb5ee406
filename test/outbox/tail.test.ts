import { describe, expect, test } from "vitest";
import { seededRandom } from "../../src/device/random.ts";
import { inspectOutbox } from "../../src/outbox/inspect.ts";
import { type OutboxOptions, openOutbox } from "../../src/outbox/open.ts";
import type { Outbox } from "../../src/outbox/outbox.ts";
import { type FaultyFiles, faultyFiles } from "./faulty-files.ts";
import { drain, drop, FOLDER, fill, numbers, Rig, record, TAIL } from "./rig.ts";

const tailOf = ({ opening }: Outbox) => `${TAIL}/outbox-${opening.stream}`;

/** An outbox with a tail, and what it asks of its files. */
async function watched(
  options: Partial<OutboxOptions> = {},
): Promise<{ rig: Rig; layer: FaultyFiles; outbox: Outbox }> {
  let layer: FaultyFiles | undefined;
  // The next process has files of its own.
  const rig = new Rig({ tail: TAIL, ...options }, (files) => {
    if (layer !== undefined) return files;
    layer = faultyFiles(files);
    return layer;
  });
  const outbox = await rig.open();
  return { rig, layer: layer!, outbox };
}

const bytesOnDisk = ({ calls }: FaultyFiles) =>
  calls
    .filter(({ operation, path }) => operation === "write" && path.startsWith(FOLDER))
    .reduce((sum, { bytes }) => sum + bytes, 0);

describe("a tail on a tmpfs", () => {
  test("keeps the disk untouched while everything is acknowledged in time", async () => {
    const { rig, layer, outbox } = await watched();
    outbox.ack(fill(outbox, 1));
    const before = bytesOnDisk(layer);
    for (let second = 0; second < 100; second++) {
      fill(outbox, 10);
      await rig.clock.advance(500);
      outbox.ack(outbox.status().nextSeq - 1);
      await rig.clock.advance(500);
    }
    expect(bytesOnDisk(layer) - before).toBe(0);
    expect(rig.segments()).toEqual([]);
    expect(outbox.status()).toMatchObject({ depth: 0, acknowledged: 1001, diskBytes: 0 });
  });

  test("has on flash what has waited, and nothing of what was acknowledged before", async () => {
    const { rig, outbox } = await watched();
    fill(outbox, 20);
    outbox.ack(15);
    await rig.clock.advance(1000);
    expect(outbox.status().syncedSeq).toBe(20);
    rig.cutPower();
    const next = await rig.open();
    expect(drain(next)).toEqual(numbers(16, 20));
    expect(next.opening).toMatchObject({ lastEnd: "power_cut", skipped: { fromSeq: 21 } });
    expect(next.takeDrops()).toEqual([]);
  });

  test("that was full turns no delivered records into losses when the power is cut", async () => {
    const rig = new Rig({ tail: TAIL, segmentBytes: 512, maxRecordBytes: 100, whenFull: "drop_newest" });
    const outbox = await rig.open();
    fill(outbox, 17);
    const emptying = outbox.sync();
    // There is no room for these before that is done.
    fill(outbox, 3);
    outbox.ack(19);
    await emptying;
    await rig.clock.advance(1);
    expect(outbox.status().syncedSeq).toBe(20);
    rig.cutPower();
    const next = await rig.open();
    expect(drain(next).at(-1)).toBe(20);
    expect(next.takeDrops()).toEqual([]);
  });

  test("is there after a kill, once", async () => {
    const { rig, outbox } = await watched();
    fill(outbox, 30);
    outbox.ack(10);
    await rig.clock.advance(1000);
    fill(outbox, 7);
    outbox.ack(31);
    rig.kill();
    const next = await rig.open();
    expect(next.opening.lastEnd).toBe("killed");
    expect(next.opening.skipped).toBeUndefined();
    expect(next.status()).toMatchObject({ depth: 6, nextSeq: 38 });
    expect(drain(next)).toEqual(numbers(32, 37));
    rig.kill();
    expect(drain(await rig.open())).toEqual(numbers(32, 37));
  });

  test("is lost with the power, and its numbers are told as skipped and never given again", async () => {
    const { rig, outbox } = await watched();
    const lastSeq = fill(outbox, 9);
    rig.cutPower();
    const next = await rig.open();
    expect(next.status().nextSeq).toBeGreaterThan(lastSeq);
    expect(next.opening).toMatchObject({ lastEnd: "power_cut", skipped: { fromSeq: 1 } });
  });

  test("that somebody has removed is as good as a power cut", async () => {
    const { rig, outbox } = await watched();
    fill(outbox, 9);
    outbox.ack(3);
    rig.kill();
    for (const name of rig.mount.list(tailOf(outbox))) rig.mount.remove(`${tailOf(outbox)}/${name}`);
    const next = await rig.open();
    expect(next.status().nextSeq).toBeGreaterThan(9);
    expect(next.opening.skipped?.toSeq).toBe(next.status().nextSeq - 1);
  });

  test("that the next run is not told of costs what was in it, and no number", async () => {
    const { rig, outbox } = await watched();
    fill(outbox, 9);
    rig.kill();
    const without = await rig.open({ tail: undefined });
    expect(without.status().nextSeq).toBeGreaterThan(9);
    const seq = fill(without, 1);
    rig.kill();
    expect(drain(await rig.open())).toEqual([seq]);
  });

  test("gives what it still holds to whoever wants records again, between what is on flash", async () => {
    const { rig, outbox } = await watched();
    const history = (of: Outbox, fromSeq: number, toSeq: number) =>
      [...of.history(fromSeq, toSeq)].map(({ seq, acknowledged }) => [seq, acknowledged]);
    fill(outbox, 20);
    outbox.ack(12);
    await rig.clock.advance(1000);
    fill(outbox, 10);
    outbox.ack(25);
    expect(history(outbox, 5, 28)).toEqual(numbers(5, 28).map((seq) => [seq, seq <= 25]));
    rig.kill();
    const next = await rig.open();
    expect(history(next, 1, 100)).toEqual(numbers(1, 30).map((seq) => [seq, seq <= 25]));
    // Somebody who has seen enough.
    for (const { seq } of next.history(1, 30)) if (seq === 14) break;
    next.ack(30);
    await next.close();
    // An end in order leaves what has been written to flash.
    expect(history(await rig.open(), 1, 100)).toEqual(numbers(13, 20).map((seq) => [seq, true]));
  });

  test("of an end in order holds nothing: all of it is on flash", async () => {
    const { rig, outbox } = await watched();
    fill(outbox, 25);
    outbox.ack(5);
    await outbox.close();
    expect(rig.mount.list(tailOf(outbox))).toEqual([]);
    rig.cutPower();
    const next = await rig.open();
    expect(next.opening.lastEnd).toBe("clean");
    expect(drain(next)).toEqual(numbers(6, 25));
  });

  test("leaves files of others alone", async () => {
    const { rig, outbox } = await watched();
    const other = rig.mount.open(`${TAIL}/fieldpost.sock`, "create");
    other.close();
    fill(outbox, 200);
    await outbox.close();
    expect(rig.mount.list(TAIL)).toContain("fieldpost.sock");
  });

  test("of another outbox is not looked at", async () => {
    const { rig, outbox } = await watched();
    fill(outbox, 5);
    const other = await openOutbox(
      { ...rig.options, path: "/other" },
      { files: rig.files, clock: rig.clock, random: seededRandom(99) },
    );
    expect(other.opening).toMatchObject({ lastEnd: "none", run: 1 });
    expect(fill(other, 1)).toBe(1);
    rig.kill();
    expect(drain(await rig.open())).toEqual(numbers(1, 5));
  });

  test("that is not on a tmpfs is not used, and that is said", async () => {
    const rig = new Rig({ tail: "/somewhere" });
    const outbox = await rig.open();
    expect(outbox.status().tailFault).toBe("/somewhere is not on a tmpfs");
    fill(outbox, 5);
    expect(rig.segments()).toHaveLength(1);
    rig.kill();
    expect(drain(await rig.open())).toEqual(numbers(1, 5));
  });

  test.each(["ENOSPC", "EACCES", "EIO", "EMFILE", "EROFS"])(
    "that fails with %s gives way to the disk, and is used again when it works",
    async (code) => {
      const { rig, layer, outbox } = await watched();
      fill(outbox, 3);
      let calls = 0;
      layer.fault = (operation, path) =>
        path.startsWith(TAIL) && operation !== "read" && calls++ >= 0 ? code : undefined;
      fill(outbox, 100);
      expect(outbox.status().tailFault).toContain(code);
      expect(outbox.status().fault === undefined || outbox.status().fault?.includes(code)).toBe(true);
      layer.fault = () => undefined;
      await rig.clock.advance(1500);
      fill(outbox, 1);
      expect(outbox.status()).toMatchObject({ tailFault: undefined, fault: undefined, depth: 104 });
      expect(drain(outbox)).toEqual(numbers(1, 104));
      rig.kill();
      expect(drain(await rig.open())).toEqual(numbers(1, 104));
    },
  );

  test("that cannot be opened costs nothing but wear", async () => {
    const layer = { current: undefined as FaultyFiles | undefined };
    const rig = new Rig({ tail: TAIL }, (files) => {
      layer.current ??= faultyFiles(files);
      return layer.current;
    });
    await (await rig.open()).close();
    layer.current!.fault = (_, path) => (path.startsWith(TAIL) ? "EACCES" : undefined);
    const outbox = await rig.open();
    expect(outbox.status().tailFault).toContain("EACCES");
    fill(outbox, 5);
    await outbox.sync();
    expect(outbox.status()).toMatchObject({ syncedSeq: 5, fault: undefined });
  });

  test("full of records that wait is emptied to flash before they are due", async () => {
    const { rig, outbox } = await watched();
    fill(outbox, 400);
    await rig.clock.advance(1);
    expect(outbox.status().syncedSeq).toBe(400);
    expect(outbox.status().dropped).toBe(400 - outbox.status().depth);
  });

  test("has room for new records as soon as those in it are given up, and a kill loses none of the accounts", async () => {
    const { rig, layer, outbox } = await watched({ whenFull: "drop_newest" });
    // More than a tail holds.
    while (outbox.status().dropped < 200) {
      fill(outbox, 10);
      await outbox.sync();
    }
    const before = bytesOnDisk(layer);
    const { dropped, nextSeq } = outbox.status();
    // They go out at once, ahead of the backlog that fills the disk.
    for (const _ of numbers(1, 100)) {
      const seq = fill(outbox, 1);
      expect(outbox.peek(seq, 1).map((entry) => entry.seq)).toEqual([seq]);
      outbox.ackAhead(seq, seq);
    }
    expect(outbox.status().dropped).toBe(dropped);
    expect(bytesOnDisk(layer) - before).toBe(0);
    rig.kill();
    const next = await rig.open();
    const left = drain(next);
    const lost = next.takeDrops().flatMap(({ fromSeq, toSeq, count, reason }) => {
      expect([reason, count]).toEqual(["full", toSeq - fromSeq + 1]);
      return numbers(fromSeq, toSeq);
    });
    expect(lost.length).toBeGreaterThan(0);
    expect([...left, ...lost].sort((a, b) => a - b)).toEqual(numbers(1, nextSeq - 1));
    await next.close();
  });

  test("holds what a failing disk refuses, also for the next run", async () => {
    const { rig, outbox } = await watched();
    rig.disk.refuseWrites("EIO");
    fill(outbox, 20);
    await rig.clock.advance(1500);
    expect(outbox.status().fault).toContain("EIO");
    fill(outbox, 5);
    rig.kill();
    rig.disk.refuseWrites(undefined);
    const next = await rig.open();
    expect(drain(next)).toEqual(numbers(1, 25));
    expect(next.status().nextSeq).toBeGreaterThan(25);
  });

  test("is looked into from outside like the disk", async () => {
    const { rig, outbox } = await watched();
    fill(outbox, 30);
    outbox.ack(10);
    await rig.clock.advance(1000);
    fill(outbox, 10);
    outbox.ack(12);
    const seen = inspectOutbox(FOLDER, rig.disk.mount(), TAIL);
    expect(seen).toMatchObject({ depth: 28, ackedSeq: 12, lastSeq: 40 });
    expect([...seen.entries("unacknowledged")].map(({ seq }) => seq)).toEqual(numbers(13, 40));
    expect(inspectOutbox(FOLDER, rig.disk.mount()).lastSeq).toBe(30);
  });

  test("is read for the last time when what was in it is on flash: a kill at any write doubles and loses nothing", async () => {
    for (let writes = 0; ; writes++) {
      const { rig, layer, outbox } = await watched();
      fill(outbox, 60);
      outbox.ack(20);
      let left = writes;
      layer.fault = (operation) => {
        if (operation === "write" && left-- === 0) rig.mount.kill();
        return undefined;
      };
      await outbox.sync().catch(() => {});
      layer.fault = () => undefined;
      const finished = left >= 0;
      rig.kill();
      const next = await rig.open();
      expect(drain(next), `killed at write ${writes}`).toEqual(numbers(21, 60));
      expect(next.takeDrops()).toEqual([]);
      if (finished) break;
    }
  });

  test("with any bit flipped costs no more than one record, which is told, and no number", {
    timeout: 60_000,
  }, async () => {
    const rig = new Rig({ tail: TAIL, segmentBytes: 2048 });
    const outbox = await rig.open();
    fill(outbox, 30);
    outbox.ack(5);
    rig.kill();
    const folder = tailOf(outbox);
    const whole = new Map(
      [FOLDER, folder].flatMap((at) =>
        rig.mount.list(at).map((name) => [`${at}/${name}`, read(rig, `${at}/${name}`)]),
      ),
    );
    for (const [path, bytes] of [...whole].filter(([path]) => path.startsWith(folder)))
      for (let bit = 0; bit < bytes.length * 8; bit += path.endsWith("ack") && bit > 900 ? 4001 : 23) {
        const damaged = Buffer.from(bytes);
        damaged[bit >> 3]! ^= 1 << (bit & 7);
        const again = new Rig({ tail: TAIL, segmentBytes: 2048 });
        for (const at of [FOLDER, TAIL, folder]) again.mount.makeFolder(at);
        for (const [each, content] of whole) write(again, each, each === path ? damaged : content);
        again.kill();
        const next = await again.open();
        const what = `${path}, bit ${bit}`;
        const left = drain(next);
        const told = next.takeDrops();
        const { skipped } = next.opening;
        const lost = [...told, ...(skipped ? [skipped] : [])].flatMap(({ fromSeq, toSeq }) =>
          numbers(fromSeq, Math.min(toSeq, 30)),
        );
        expect(
          [...left, ...lost].sort((a, b) => a - b).filter((seq) => seq > 5),
          what,
        ).toEqual(numbers(6, 30));
        expect(next.append(record("more")), what).toBeGreaterThan(30);
        if (bit >= 64 * 8 && path.endsWith(".seg")) expect(lost.length, what).toBeLessThanOrEqual(1);
        expect(
          told.every(({ reason }) => reason === drop(1, 1, "corrupt").reason),
          what,
        ).toBe(true);
      }
  });
});

function read(rig: Rig, path: string): Buffer {
  const file = rig.mount.open(path, "read");
  const bytes = Buffer.alloc(file.sizeBytes());
  file.read(bytes, 0);
  file.close();
  return bytes;
}

function write(rig: Rig, path: string, bytes: Buffer): void {
  const file = rig.mount.open(path, "create");
  file.write(bytes, bytes.length, 0);
  file.close();
}

test("a full outbox that turns away what waits in its tail goes on at its own pace", async () => {
  const rig = new Rig({ whenFull: "drop_newest", tail: TAIL });
  const outbox = await rig.open();
  // Until not even one finds room.
  while (outbox.status().dropped < 20) {
    fill(outbox, 1);
    await outbox.sync();
  }
  const monotonicMs = rig.clock.monotonicMs.bind(rig.clock);
  let looks = 0;
  rig.clock.monotonicMs = () => {
    looks++;
    return monotonicMs();
  };
  // Two marks of the sync schedule, whose records both find no room.
  fill(outbox, 1);
  await rig.clock.advance(500);
  fill(outbox, 1);
  await rig.clock.advance(2_000);
  expect(looks).toBeLessThan(100);
  await outbox.close();
});
