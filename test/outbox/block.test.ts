import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../src/device/random.ts";
import type { Outbox } from "../../src/outbox/outbox.ts";
import { BLOCK_MAX_BYTES, packBlock, unpackBlock, weigh } from "../../src/outbox/segments/block.ts";
import type { LogEntry } from "../../src/outbox/segments/segment-format.ts";
import { drain, fill, numbers, Rig, record, TAIL } from "./rig.ts";

const entry = (seq: number, wallMs: number, payload: Uint8Array): LogEntry => ({
  kind: "record",
  fromSeq: seq,
  seq,
  wallMs,
  payload,
});

describe("a block", () => {
  test("gives back what went into it, byte for byte", () => {
    const time = fc.integer({ min: 0, max: 2 ** 48 - 1 });
    const some = fc.array(fc.tuple(time, fc.uint8Array({ maxLength: 300 })), { minLength: 2, maxLength: 60 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 50 }), some, (firstSeq, rows) => {
        const records = rows.map(([wallMs, payload], nth) => entry(firstSeq + nth, wallMs, payload));
        const block = packBlock(records);
        if (block === undefined) return;
        expect(weigh(block)).toEqual({
          records: records.length,
          payloadBytes: rows.reduce((sum, [, payload]) => sum + payload.length, 0),
        });
        const unpacked = unpackBlock(block, "thinned")!;
        expect(unpacked.map(({ seq, wallMs }) => [seq, wallMs])).toEqual(
          records.map(({ seq, wallMs }) => [seq, wallMs]),
        );
        for (const [nth, { payload }] of unpacked.entries())
          expect(Buffer.compare(payload, records[nth]!.payload)).toBe(0);
      }),
    );
  });

  test("is not made of one record, nor of records that it would not make smaller", () => {
    expect(packBlock([entry(1, 0, record(1))])).toBeUndefined();
    const random = seededRandom(3);
    const noise = () => Uint8Array.from({ length: 2000 }, () => Math.floor(random() * 256));
    expect(packBlock([entry(1, 0, noise()), entry(2, 0, noise())])).toBeUndefined();
  });

  test("that claims more or less than it holds is none", () => {
    const block = packBlock([entry(1, 5, record(1)), entry(2, 6, record(2))])!;
    for (const bytes of [0, 100, 161, 1 << 30]) {
      const payload = Buffer.from(block.payload);
      payload.writeUInt32LE(bytes, 8);
      expect(unpackBlock({ ...block, payload }, "thinned")).toBeUndefined();
    }
    expect(unpackBlock({ ...block, seq: 3 }, "thinned")).toBeUndefined();
  });
});

/** Three blocks on flash, of 40 records each. */
async function threeBlocks(): Promise<Rig> {
  const rig = new Rig({ tail: TAIL });
  const outbox = await rig.open();
  for (let nth = 0; nth < 3; nth++) {
    fill(outbox, 40);
    await outbox.sync();
  }
  await outbox.close();
  return rig;
}

function blocksOf(bytes: Uint8Array): { at: number; end: number }[] {
  const view = Buffer.from(bytes);
  const found: { at: number; end: number }[] = [];
  for (let at = 64; view.readUInt32LE(at) !== 0; ) {
    expect(view.readUInt16LE(at + 12)).toBe(4);
    const end = at + Math.ceil((20 + view.readUInt32LE(at + 4)) / 4) * 4;
    found.push({ at, end });
    at = end;
  }
  return found;
}

describe("records that move to flash together", () => {
  test("take less room there than apart, and are counted and drained as they are", async () => {
    const rig = await threeBlocks();
    let blocks = 0;
    rig.edit("00000001.seg", (bytes) => {
      const found = blocksOf(bytes);
      blocks = found.length;
      expect(found.at(-1)!.end).toBeLessThan((120 * 100) / 3);
    });
    expect(blocks).toBe(3);
    const outbox = await rig.open();
    expect(outbox.status()).toMatchObject({ depth: 120, depthBytes: 120 * 80, nextSeq: 121 });
    outbox.ack(57);
    expect(outbox.status()).toMatchObject({ depth: 63, depthBytes: 63 * 80, firstSeq: 58 });
    expect(drain(outbox)).toEqual(numbers(58, 120));
    expect(outbox.peek(100, 3).map(({ seq }) => seq)).toEqual([100, 101, 102]);
  });

  test("cost no more than their block where any bit of it is flipped", async () => {
    const rig = await threeBlocks();
    let whole = Buffer.alloc(0);
    rig.edit("00000001.seg", (bytes) => (whole = Buffer.from(bytes)));
    for (const [nth, { at, end }] of blocksOf(whole).entries())
      for (let bit = at * 8; bit < end * 8; bit += 13) {
        const damaged = Buffer.from(whole);
        damaged[bit >> 3]! ^= 1 << (bit & 7);
        rig.edit("00000001.seg", (bytes) => bytes.set(damaged));
        const outbox = await rig.open();
        const lost = await lossesOf(outbox, rig);
        const padding = lost.length === 0 && bit >> 3 >= end - 3;
        if (!padding) expect(lost, `bit ${bit}`).toEqual(numbers(nth * 40 + 1, nth * 40 + 40));
      }
  });

  test("are at most so many that a block stays small", async () => {
    const rig = new Rig({ tail: TAIL, maxSizeBytes: 64 * 1024 * 1024, segmentBytes: 1024 * 1024 });
    const outbox = await rig.open();
    fill(outbox, 2000);
    await outbox.sync();
    rig.edit("00000001.seg", (bytes) => {
      expect(blocksOf(bytes)).toHaveLength(Math.ceil(2000 / Math.floor(BLOCK_MAX_BYTES / 80)));
    });
    await outbox.close();
    expect(drain(await rig.open())).toEqual(numbers(1, 2000));
  });
});

test("records that compression makes longer than a block may be go to flash apart", async () => {
  const rig = new Rig({ tail: TAIL, maxSizeBytes: 64 * 1024 * 1024, segmentBytes: 1024 * 1024 });
  const outbox = await rig.open();
  const random = seededRandom(7);
  const records = numbers(1, 1_200).map(() => Buffer.from(Array.from({ length: 60 }, () => random() * 256)));
  for (const bytes of records) outbox.append(bytes);
  await outbox.sync();
  expect(outbox.status()).toMatchObject({ syncedSeq: 1_200, fault: undefined });
  await outbox.close();
  expect((await rig.open()).peek(1, 2_000).map(({ record }) => Buffer.from(record))).toEqual(records);
});

/** What of 120 records is not there, all of it told; leaves the disk as it was for the next look. */
async function lossesOf(outbox: Outbox, rig: Rig): Promise<number[]> {
  const there = drain(outbox).filter((seq) => seq <= 120);
  const told = outbox.takeDrops().flatMap(({ fromSeq, toSeq, reason }) => {
    expect(reason).toBe("corrupt");
    return numbers(fromSeq, toSeq);
  });
  expect([...there, ...told].sort((a, b) => a - b)).toEqual(numbers(1, 120));
  rig.kill();
  return told;
}
