import { crc32 } from "node:zlib";
import { describe, expect, test } from "vitest";
import {
  decodeEntry,
  decodeHeader,
  encodeGap,
  encodeHeader,
  encodeRecord,
  gap,
} from "../../src/outbox/segments/segment-format.ts";
import { fill, numbers, Rig } from "./rig.ts";

/** A reader written from FORMAT.md alone. */
function readSegment(bytes: Buffer): { seq: number; text: string; kind: number; fromSeq: number }[] {
  expect(bytes.toString("latin1", 0, 8)).toBe("fpoutbox");
  expect(bytes.readUInt32LE(8)).toBe(2);
  const start = bytes.readUInt32LE(60);
  expect(crc32(bytes.subarray(0, 60))).toBe(start);
  const firstSeq = Number(bytes.readBigUInt64LE(24));
  const entries = [];
  for (let at = 64; at + 20 <= bytes.length; ) {
    const length = bytes.readUInt32LE(at + 4);
    if (crc32(bytes.subarray(at + 4, at + 20 + length), start) !== bytes.readUInt32LE(at)) break;
    const kind = bytes.readUInt16LE(at + 12);
    const seq = firstSeq + bytes.readUInt32LE(at + 8);
    const fromSeq = kind === 0 ? seq : Number(bytes.readBigUInt64LE(at + 20));
    entries.push({
      seq,
      kind,
      fromSeq,
      text: bytes.toString("latin1", at + 20, at + 20 + length).replace(/\.+$/, ""),
    });
    at += Math.ceil((20 + length) / 4) * 4;
  }
  return entries;
}

const HEADER = {
  run: 3,
  generation: 7,
  firstSeq: 1000,
  stream: "9f2c41aa",
  recordsBefore: 990,
  bytesBefore: 158_400,
};

describe("the format", () => {
  test("of a header is what the document says, byte for byte", () => {
    const { bytes, header } = encodeHeader(HEADER);
    expect(bytes.toString("hex")).toBe(
      [
        "6670 6f75 7462 6f78 0200 0000 0300 0000",
        "0700 0000 0000 0000 e803 0000 0000 0000",
        "3966 3263 3431 6161 de03 0000 0000 0000",
        "c06a 0200 0000 0000 0000 0000 44e4 f9a0",
      ]
        .join("")
        .replaceAll(" ", ""),
    );
    expect(decodeHeader(bytes)).toEqual(header);
  });

  test("of a record is what the document says, byte for byte", () => {
    const { header } = encodeHeader(HEADER);
    const into = Buffer.alloc(64, 0xee);
    const size = encodeRecord(into, header, 1005, 1_795_394_660_123, Buffer.from("hello"));
    expect(into.toString("hex", 4, size)).toBe(
      "05000000" + "05000000" + "0000" + "1b67dc05a201" + "68656c6c6f" + "000000",
    );
    expect(into.toString("hex", 0, 4)).toBe("bca65df4");
    expect(decodeEntry(into, 0, 25, header)).toMatchObject({ seq: 1005, wallMs: 1_795_394_660_123 });
  });

  test("of a gap names its first number", () => {
    const { header } = encodeHeader(HEADER);
    const into = Buffer.alloc(64);
    encodeGap(into, header, gap("full", 1001, 1009));
    expect(into.toString("hex", 4, 28)).toBe(
      "08000000" + "09000000" + "0200" + "000000000000" + "e903000000000000",
    );
    expect(decodeEntry(into, 0, 28, header)).toMatchObject({ kind: "full", fromSeq: 1001, seq: 1009 });
  });

  test("of a header with any bit turned is refused", () => {
    const { bytes } = encodeHeader(HEADER);
    for (let bit = 0; bit < 64 * 8; bit++) {
      const turned = Buffer.from(bytes);
      turned[bit >> 3]! ^= 1 << (bit & 7);
      expect(decodeHeader(turned)).toBeUndefined();
    }
  });

  test("of an entry with any bit turned is refused", () => {
    const { header } = encodeHeader(HEADER);
    const into = Buffer.alloc(64);
    encodeRecord(into, header, 1005, 5, Buffer.from("hello"));
    for (let bit = 0; bit < 25 * 8; bit++) {
      const turned = Buffer.from(into);
      turned[bit >> 3]! ^= 1 << (bit & 7);
      expect(decodeEntry(turned, 0, 25, header)).toBeUndefined();
    }
  });

  test("can be read by a reader written from the document", async () => {
    const rig = new Rig();
    const outbox = await rig.open();
    fill(outbox, 60);
    await outbox.sync();
    const [first, second] = rig.segments().map((name) => readSegment(rig.bytesOf(name)));
    expect([...first!, ...second!].map(({ text }) => text)).toEqual(numbers(1, 60).map(String));
    rig.cutPower();
    fill(await rig.open(), 1);
    expect(readSegment(rig.bytesOf("00000002.seg")).slice(-2)).toMatchObject([
      { kind: 1, fromSeq: 61, seq: 4096 },
      { kind: 0, seq: 4097, text: "4097" },
    ]);
  });
});
