import { describe, expect, test } from "vitest";
import { seededRandom } from "../../src/device/random.ts";
import type { Drop, Outbox } from "../../src/outbox/outbox.ts";
import { SEED, sampleOf } from "../exhaustive.ts";
import { FOLDER, fill, nameOf, numbers, Rig } from "./rig.ts";

/** 20 bytes of header and 80 of payload, after a segment's header of 64. */
const RECORD_BYTES = 100;
const HEADER_BYTES = 64;
const PER_SEGMENT = 40;
/** Three segments, the last one not full. */
const RECORDS = 2 * PER_SEGMENT + 20;
const SEGMENTS = ["00000001.seg", "00000002.seg", "00000003.seg"] as const;

/** The files of an outbox that ended in order, with nothing acknowledged. */
async function wholeFiles(): Promise<Map<string, Buffer>> {
  const rig = new Rig();
  const outbox = await rig.open();
  fill(outbox, RECORDS);
  await outbox.close();
  return new Map(rig.names().map((name) => [name, rig.bytesOf(name)]));
}

const whole = await wholeFiles();

/** Opens the outbox where some of its files are replaced. */
async function openWith(changed: Readonly<Record<string, Buffer>>): Promise<{ rig: Rig; outbox: Outbox }> {
  const rig = new Rig();
  rig.mount.makeFolder(FOLDER);
  for (const [name, original] of whole) {
    const bytes = changed[name] ?? original;
    const file = rig.mount.open(`${FOLDER}/${name}`, "create");
    file.write(bytes, bytes.length, 0);
    file.close();
  }
  return { rig, outbox: await rig.open() };
}

/** What is delivered and what is told as lost must be all records between them, and `lost` be told as corrupt. */
function expectLost(outbox: Outbox, lost: readonly number[], what: string): void {
  const entries = outbox.peek(1, 1000);
  const wrong = entries.find((entry) => nameOf(entry) !== String(entry.seq));
  expect(wrong, what).toBeUndefined();
  const told = outbox.takeDrops();
  const toldSeqs = told.flatMap(({ fromSeq, toSeq }) => numbers(fromSeq, toSeq));
  expect(toldSeqs, what).toEqual(lost);
  expect(told.every(isCorruptAndCounted), what).toBe(true);
  const gone = new Set(lost);
  expect(entries.map(({ seq }) => seq).join(), what).toBe(
    numbers(1, RECORDS)
      .filter((seq) => !gone.has(seq))
      .join(),
  );
  const seq = fill(outbox, 1);
  expect(seq, what).toBeGreaterThan(RECORDS);
  expect(
    outbox.peek(RECORDS + 1, 10).map((entry) => entry.seq),
    what,
  ).toEqual([seq]);
  expect(outbox.takeDrops(), what).toEqual([]);
}

const isCorruptAndCounted = ({ reason, count, fromSeq, toSeq }: Drop) =>
  reason === "corrupt" && count === toSeq - fromSeq + 1;

const firstOf = (segment: number) => segment * PER_SEGMENT + 1;
const lastOf = (segment: number) => Math.min(RECORDS, firstOf(segment) + PER_SEGMENT - 1);

/** The records of a segment that have bytes from `start` to before `end`. */
function touched(segment: number, start: number, end: number): number[] {
  if (start < HEADER_BYTES) return numbers(firstOf(segment), lastOf(segment));
  const first = firstOf(segment) + Math.floor((start - HEADER_BYTES) / RECORD_BYTES);
  const last = firstOf(segment) + Math.floor((end - 1 - HEADER_BYTES) / RECORD_BYTES);
  return numbers(first, Math.min(last, lastOf(segment)));
}

function changed(name: string, change: (bytes: Buffer) => void): Record<string, Buffer> {
  const bytes = Buffer.from(whole.get(name)!);
  change(bytes);
  return { [name]: bytes };
}

/** Whether a record's bytes are not what they were. */
function differs(name: string, damage: Readonly<Record<string, Buffer>>, n: number, seq: number): boolean {
  const at = HEADER_BYTES + (seq - firstOf(n)) * RECORD_BYTES;
  const record = (bytes: Buffer) => bytes.subarray(at, at + RECORD_BYTES);
  return !record(damage[name]!).equals(record(whole.get(name)!));
}

function flip(bytes: Buffer, bit: number): void {
  bytes[bit >> 3] = bytes[bit >> 3]! ^ (1 << (bit & 7));
}

const random = seededRandom(SEED);

/** From 0 to before `end`, closer to each other where `step` is small: of so many neighbours a sample has one. */
function sampleUpTo(end: number, step: (at: number) => number): readonly number[] {
  const all: number[] = [];
  for (let at = 0; at < end; at += step(at)) all.push(at);
  return sampleOf(all, 5, random);
}

describe(`of an outbox that is damaged (SEED=${SEED})`, () => {
  test.each([0, 1, 2])(
    "one flipped bit, any of segment %i's, costs no more than the record it is in",
    async (n) => {
      const name = SEGMENTS[n]!;
      const usedBytes = HEADER_BYTES + (lastOf(n) - firstOf(n) + 1) * RECORD_BYTES;
      const eachBytes = HEADER_BYTES + (n === 0 ? 2 * RECORD_BYTES : 0);
      for (const bit of sampleUpTo(usedBytes * 8, (bit) => (bit < eachBytes * 8 ? 1 : 97))) {
        const at = bit >> 3;
        const { outbox } = await openWith(changed(name, (bytes) => flip(bytes, bit)));
        expectLost(outbox, touched(n, at, at + 1), `${name}, bit ${bit}`);
      }
    },
  );

  test("one flipped bit in what was never written costs nothing", async () => {
    const end = HEADER_BYTES + (RECORDS - 2 * PER_SEGMENT) * RECORD_BYTES;
    for (const bit of sampleOf(
      numbers(end * 8, 4096 * 8 - 1).filter((bit) => bit % 37 === 0),
      5,
      random,
    )) {
      const damage = changed(SEGMENTS[2], (bytes) => flip(bytes, bit));
      expectLost((await openWith(damage)).outbox, [], `bit ${bit}`);
    }
  });

  test("one flipped bit in a small file costs nothing but numbers", async () => {
    const bits = numbers(0, 8192 * 8 - 1).filter((bit) => bit % (4096 * 8) < 80 * 8);
    for (const name of ["state", "ack"])
      for (const bit of sampleOf(bits, 5, random)) {
        const { outbox } = await openWith(changed(name, (bytes) => flip(bytes, bit)));
        expectLost(outbox, [], `${name}, bit ${bit}`);
      }
  });

  test.each([0, 1, 2])("segment %i cut short at any byte costs what is behind the cut", async (n) => {
    for (const sizeBytes of sampleUpTo(4096, (sizeBytes) => (sizeBytes < 400 ? 1 : 7))) {
      const bytes = whole.get(SEGMENTS[n]!)!.subarray(0, sizeBytes);
      const { rig, outbox } = await openWith({ [SEGMENTS[n]!]: bytes });
      expectLost(outbox, touched(n, sizeBytes, 4096), `${SEGMENTS[n]} of ${sizeBytes} bytes`);
      expect(rig.disk.usedBytes(FOLDER)).toBeLessThanOrEqual(rig.options.maxSizeBytes);
    }
  });

  test.each(["state", "ack"])("%s cut short at any byte costs nothing", async (name) => {
    for (const sizeBytes of sampleUpTo(8192, (sizeBytes) => (sizeBytes % 4096 < 120 ? 1 : 61)))
      expectLost(
        (await openWith({ [name]: whole.get(name)!.subarray(0, sizeBytes) })).outbox,
        [],
        `${sizeBytes}`,
      );
  });

  test("sectors of zeros, of ones and of another segment cost the records in which they change a byte", async () => {
    for (const [n, name] of SEGMENTS.entries())
      for (let start = 0; start < 4096; start += 512)
        for (const source of [
          Buffer.alloc(4096),
          Buffer.alloc(4096, 0xff),
          whole.get(SEGMENTS[(n + 1) % 3]!)!,
        ]) {
          // A header of another's is the case below.
          if (start === 0 && source === whole.get(SEGMENTS[(n + 1) % 3]!)) continue;
          const damage = changed(name, (bytes) => void source.copy(bytes, start, start, start + 512));
          const lost = touched(n, start, start + 512).filter(
            (seq) => start === 0 || differs(name, damage, n, seq),
          );
          expectLost((await openWith(damage)).outbox, lost, `${name}, ${start}`);
        }
  });

  test("segments under each other's names are all there", async () => {
    const [one, two, three] = SEGMENTS.map((name) => whole.get(name)!);
    for (const order of [
      [two, one, three],
      [three, two, one],
      [two, three, one],
    ]) {
      const files = Object.fromEntries(SEGMENTS.map((name, index) => [name, order[index]!]));
      expectLost((await openWith(files)).outbox, [], "swapped");
    }
  });

  test("a segment in the place of another costs the other, and is read once", async () => {
    for (const [n, name] of SEGMENTS.entries())
      for (const [m, other] of SEGMENTS.entries()) {
        if (n === m) continue;
        const { outbox } = await openWith({ [name]: whole.get(other)! });
        expectLost(outbox, touched(n, 0, 4096), `${other} as ${name}`);
      }
  });

  test("a segment of before it was used again costs what was written since", async () => {
    const rig = new Rig();
    const first = await rig.open();
    fill(first, PER_SEGMENT + 1);
    first.ack(PER_SEGMENT);
    const stale = rig.bytesOf(SEGMENTS[0]);
    const lastSeq = fill(first, 2 * PER_SEGMENT);
    await first.close();
    rig.edit(SEGMENTS[0], (bytes) => bytes.set(stale));
    const second = await rig.open();
    const left = second.peek(1, 1000).map(({ seq }) => seq);
    expect(left[0]).toBe(PER_SEGMENT + 1);
    const told = second.takeDrops();
    expect(told.every(isCorruptAndCounted)).toBe(true);
    const toldSeqs = told.flatMap(({ fromSeq, toSeq }) => numbers(fromSeq, toSeq));
    expect([...left, ...toldSeqs].sort((a, b) => a - b)).toEqual(numbers(PER_SEGMENT + 1, lastSeq));
    expect(toldSeqs).toHaveLength(PER_SEGMENT);
    expect(fill(second, 1)).toBe(lastSeq + 1);
  });
});
