import { describe, expect, test } from "vitest";
import type { Outbox } from "../../src/outbox/outbox.ts";
import { drain, drop, FOLDER, fill, numbers, Rig } from "./rig.ts";

const HEADER_BYTES = 64;
/** 20 bytes of header and 80 of payload. */
const RECORD_BYTES = 100;
/** Records of 80 bytes in a segment of 4096. */
const PER_SEGMENT = Math.floor((4096 - HEADER_BYTES) / RECORD_BYTES);

const at = (index: number) => HEADER_BYTES + index * RECORD_BYTES;

async function stopped(rig: Rig, count: number): Promise<void> {
  const outbox = await rig.open();
  fill(outbox, count);
  await outbox.close();
}

/** Everything left is readable, numbers go on, and the start needed nobody. */
function expectUsable(outbox: Outbox, from: readonly number[]): void {
  expect(drain(outbox)).toEqual(from);
  const seq = fill(outbox, 1);
  expect(drain(outbox)).toEqual([...from, seq]);
}

describe("damage to a segment", () => {
  test("a torn tail after a kill is overwritten, and numbers go on without a hole", async () => {
    const rig = new Rig();
    const first = await rig.open();
    fill(first, 10);
    rig.kill();
    // The process died within the write of a record that no one was given the number of.
    rig.edit("00000001.seg", (bytes) => bytes.fill(0xab, at(10), at(10) + 37));
    const second = await rig.open();
    expect(second.opening).toMatchObject({ lastEnd: "killed" });
    expect(fill(second, 1)).toBe(11);
    expect(drain(second)).toEqual(numbers(1, 11));
    expect(second.takeDrops()).toEqual([]);
  });

  test("a bad record in the middle is skipped and reported once, with its exact number", async () => {
    const rig = new Rig();
    await stopped(rig, 100);
    rig.edit("00000001.seg", (bytes) => bytes.fill(0xff, at(4) + 30, at(4) + 31));
    const outbox = await rig.open();
    expectUsable(outbox, [...numbers(1, 4), ...numbers(6, 100)]);
    expect(outbox.takeDrops()).toEqual([drop(5, 5, "corrupt")]);
    drain(outbox);
    expect(outbox.takeDrops()).toEqual([]);
  });

  test("a record whose length is wrong costs no more than itself", async () => {
    const rig = new Rig();
    await stopped(rig, 20);
    rig.edit("00000001.seg", (bytes) => new DataView(bytes.buffer).setUint32(at(7) + 4, 999, true));
    const outbox = await rig.open();
    expectUsable(outbox, [...numbers(1, 7), ...numbers(9, 20)]);
    expect(outbox.takeDrops()).toEqual([drop(8, 8, "corrupt")]);
  });

  test("a page of zeros in the middle costs the records that touch it", async () => {
    const rig = new Rig({ segmentBytes: 16_384, maxSizeBytes: 256 * 1024 });
    await stopped(rig, 150);
    rig.edit("00000001.seg", (bytes) => bytes.fill(0, 4096, 8192));
    const outbox = await rig.open();
    const firstLost = Math.floor((4096 - HEADER_BYTES) / RECORD_BYTES) + 1;
    const lastLost = Math.floor((8191 - HEADER_BYTES) / RECORD_BYTES) + 1;
    expectUsable(outbox, [...numbers(1, firstLost - 1), ...numbers(lastLost + 1, 150)]);
    expect(outbox.takeDrops()).toEqual([drop(firstLost, lastLost, "corrupt")]);
  });

  test("a bad record in the segment that is written to is skipped, and what follows it is kept", async () => {
    const rig = new Rig();
    await stopped(rig, 20);
    rig.edit("00000001.seg", (bytes) => bytes.fill(0, at(17), at(18)));
    const outbox = await rig.open();
    expectUsable(outbox, [...numbers(1, 17), 19, 20]);
    expect(outbox.takeDrops()).toEqual([drop(18, 18, "corrupt")]);
  });

  test("the last records gone from a cleanly closed outbox are reported, and their numbers not given again", async () => {
    const rig = new Rig();
    await stopped(rig, 20);
    rig.edit("00000001.seg", (bytes) => bytes.fill(0, at(18)));
    const outbox = await rig.open();
    expect(outbox.takeDrops()).toEqual([drop(19, 20, "corrupt")]);
    expect(fill(outbox, 1)).toBe(21);
    expect(drain(outbox)).toEqual([...numbers(1, 18), 21]);
    expect(outbox.takeDrops()).toEqual([]);
    await outbox.close();
    const again = await rig.open();
    expect(drain(again)).toEqual([...numbers(1, 18), 21]);
  });

  test("a segment with a destroyed header is set aside, and its records are reported", async () => {
    const rig = new Rig();
    await stopped(rig, 3 * PER_SEGMENT);
    rig.edit("00000002.seg", (bytes) => bytes.fill(0x55, 0, 20));
    const outbox = await rig.open();
    expect(rig.names()).toContain("00000002.seg.damaged");
    expectUsable(outbox, [...numbers(1, PER_SEGMENT), ...numbers(2 * PER_SEGMENT + 1, 3 * PER_SEGMENT)]);
    expect(outbox.takeDrops()).toEqual([drop(PER_SEGMENT + 1, 2 * PER_SEGMENT, "corrupt")]);
  });

  test("the oldest segment gone is reported", async () => {
    const rig = new Rig();
    await stopped(rig, 2 * PER_SEGMENT);
    rig.edit("00000001.seg", (bytes) => bytes.fill(0x55, 0, 20));
    const outbox = await rig.open();
    expect(outbox.takeDrops()).toEqual([drop(1, PER_SEGMENT, "corrupt")]);
    expectUsable(outbox, numbers(PER_SEGMENT + 1, 2 * PER_SEGMENT));
  });

  test("the newest segment's header destroyed under a killed process makes it go on behind the reservation", async () => {
    const rig = new Rig();
    const first = await rig.open();
    fill(first, PER_SEGMENT + 5);
    rig.kill();
    rig.edit("00000002.seg", (bytes) => bytes.fill(0x55, 0, 20));
    const second = await rig.open();
    expect(second.opening).toMatchObject({
      lastEnd: "killed",
      skipped: { fromSeq: PER_SEGMENT + 1, toSeq: 4096 },
    });
    expect(fill(second, 1)).toBe(4097);
    expect(drain(second)).toEqual([...numbers(1, PER_SEGMENT), 4097]);
    expect(second.takeDrops()).toEqual([]);
  });

  test("every segment gone from a cleanly closed outbox is reported", async () => {
    const rig = new Rig();
    await stopped(rig, 20);
    rig.remove("00000001.seg");
    const outbox = await rig.open();
    expect(outbox.takeDrops()).toEqual([drop(1, 20, "corrupt")]);
    expectUsable(outbox, []);
  });

  test("a segment shorter than it should be gives what it has", async () => {
    const rig = new Rig();
    await stopped(rig, 30);
    const file = rig.mount.open(`${FOLDER}/00000001.seg`, "write");
    file.truncate(at(12) + 5);
    file.close();
    const outbox = await rig.open();
    expect(outbox.takeDrops()).toEqual([drop(13, 30, "corrupt")]);
    expectUsable(outbox, numbers(1, 12));
  });

  test("segments that were being made when the power was cut are removed", async () => {
    const rig = new Rig();
    await stopped(rig, 5);
    for (const [name, sizeBytes] of [
      ["00000002.seg", 0],
      ["00000003.seg", 4096],
    ] as const) {
      const file = rig.mount.open(`${FOLDER}/${name}`, "create");
      file.truncate(sizeBytes);
      file.close();
    }
    const outbox = await rig.open();
    expect(rig.segments()).toEqual(["00000001.seg"]);
    expectUsable(outbox, numbers(1, 5));
  });

  test("a segment of another stream is set aside", async () => {
    const rig = new Rig();
    await stopped(rig, 5);
    const other = new Rig();
    other.clock.setWall(0);
    // The seed of the stream's name is the count of boots.
    other.cutPower();
    await stopped(other, 9);
    let foreign = new Uint8Array();
    other.edit("00000001.seg", (bytes) => {
      foreign = bytes.slice();
    });
    const file = rig.mount.open(`${FOLDER}/00000007.seg`, "create");
    file.write(foreign, foreign.length, 0);
    file.close();
    const outbox = await rig.open();
    expect(rig.names()).toContain("00000007.seg.damaged");
    expectUsable(outbox, numbers(1, 5));
  });

  test("no more than a few damaged files are kept", async () => {
    const rig = new Rig();
    for (let i = 0; i < 6; i++) {
      const outbox = await rig.open();
      fill(outbox, PER_SEGMENT);
      outbox.ack(outbox.status().nextSeq - 1);
      await outbox.close();
      const name = rig.segments().at(-1)!;
      rig.edit(name, (bytes) => bytes.fill(0x55, 0, 64));
    }
    const outbox = await rig.open();
    expect(rig.names().filter((name) => name.endsWith(".damaged")).length).toBeLessThanOrEqual(3);
    expect(rig.disk.usedBytes(FOLDER)).toBeLessThanOrEqual(rig.options.maxSizeBytes);
    fill(outbox, 500);
    expect(rig.disk.usedBytes(FOLDER)).toBeLessThanOrEqual(rig.options.maxSizeBytes);
  });
});

describe("a recycled segment", () => {
  test("never shows a record of its former life, wherever the new ones end", async () => {
    for (let count = 1; count <= PER_SEGMENT; count++) {
      const rig = new Rig();
      const first = await rig.open();
      first.ack(fill(first, 2 * PER_SEGMENT));
      const lastSeq = fill(first, count);
      rig.kill();
      const second = await rig.open();
      expect(rig.segments()).toHaveLength(2);
      expect(drain(second)).toEqual(numbers(2 * PER_SEGMENT + 1, lastSeq));
      expect(second.append(Buffer.alloc(0))).toBe(lastSeq + 1);
      expect(second.takeDrops()).toEqual([]);
    }
  });

  test("shows none even where its new header was lost and only new records reached the flash", async () => {
    const rig = new Rig();
    const first = await rig.open();
    first.ack(fill(first, 2 * PER_SEGMENT));
    let oldHeader = new Uint8Array();
    rig.edit("00000001.seg", (bytes) => {
      oldHeader = bytes.slice(0, HEADER_BYTES);
    });
    fill(first, 10);
    await first.sync();
    rig.cutPower();
    rig.edit("00000001.seg", (bytes) => bytes.set(oldHeader));
    const second = await rig.open();
    expect(second.opening).toMatchObject({ lastEnd: "power_cut", skipped: { fromSeq: 2 * PER_SEGMENT + 1 } });
    const { nextSeq } = second.status();
    const lastSeq = fill(second, PER_SEGMENT + 3);
    expect(drain(second)).toEqual(numbers(nextSeq, lastSeq));
    expect(second.takeDrops()).toEqual([]);
  });
});

describe("damage to the small files", () => {
  const garbage = (bytes: Uint8Array) => bytes.fill(0x77);

  test("without its state the outbox keeps stream and records, and leaves a block of numbers out", async () => {
    const rig = new Rig();
    const first = await rig.open();
    fill(first, 50);
    first.ack(10);
    await first.close();
    rig.edit("state", garbage);
    const second = await rig.open();
    expect(rig.names()).toContain("state.damaged");
    expect(second.opening).toEqual({
      stream: first.opening.stream,
      run: 2,
      lastEnd: "power_cut",
      skipped: { fromSeq: 51, toSeq: 50 + 4096 },
    });
    expectUsable(second, numbers(11, 50));
  });

  test("one destroyed slot of the state is made up for by the other", async () => {
    for (const slot of [0, 4096]) {
      const rig = new Rig();
      await stopped(rig, 40);
      fill(await rig.open(), 10);
      rig.kill();
      rig.edit("state", (bytes) => bytes.fill(0x77, slot, slot + 512));
      const second = await rig.open();
      expect(second.opening.stream).toMatch(/^[0-9a-f]{8}$/);
      expect(second.append(new Uint8Array(1))).toBeGreaterThan(50);
      expect(rig.names()).not.toContain("state.damaged");
    }
  });

  test("without its acknowledgements the outbox delivers again rather than lose anything", async () => {
    const rig = new Rig();
    const first = await rig.open();
    fill(first, 50);
    first.ack(10);
    rig.kill();
    rig.edit("ack", garbage);
    const second = await rig.open();
    expect(rig.names()).toContain("ack.damaged");
    expectUsable(second, numbers(1, 50));
    expect(second.takeDrops()).toEqual([]);
  });

  test("without both nothing is lost and nothing reported", async () => {
    const rig = new Rig();
    const first = await rig.open();
    first.ack(fill(first, 2 * PER_SEGMENT));
    fill(first, 20);
    await first.close();
    rig.edit("ack", garbage);
    rig.remove("state");
    const second = await rig.open();
    expect(second.opening.stream).toBe(first.opening.stream);
    const left = drain(second);
    expect(left.slice(-20)).toEqual(numbers(2 * PER_SEGMENT + 1, 2 * PER_SEGMENT + 20));
    expect(second.takeDrops()).toEqual([]);
  });

  test("a folder of nothing but garbage becomes a new stream", async () => {
    const rig = new Rig();
    await stopped(rig, 50);
    for (const name of rig.names()) rig.edit(name, garbage);
    const outbox = await rig.open();
    expect(outbox.opening).toMatchObject({ run: 1, lastEnd: "none" });
    expectUsable(outbox, []);
  });
});
