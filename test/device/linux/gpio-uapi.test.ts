import { describe, expect, test } from "vitest";
import {
  askLineInfo,
  emptyChipInfo,
  eventRoom,
  Flag,
  GPIO_GET_CHIPINFO,
  GPIO_V2_GET_LINE,
  GPIO_V2_GET_LINEINFO,
  GPIO_V2_LINE_GET_VALUES,
  GPIO_V2_LINE_SET_VALUES,
  grantedFd,
  readChipInfo,
  readLineEvents,
  readLineInfo,
  readLineValue,
  writeLineRequest,
  writeLineValues,
} from "../../../src/device/linux/gpio-uapi.ts";

/** All bytes as a C compiler lays them out with <linux/gpio.h> of Linux 6.1: those that are not zero, by offset. */
type Bytes = Readonly<Record<number, string>>;

function bytes(length: number, parts: Bytes): Buffer {
  const data = Buffer.alloc(length);
  for (const [at, hex] of Object.entries(parts)) data.write(hex, Number(at), "hex");
  return data;
}

test.each([
  ["GPIO_GET_CHIPINFO_IOCTL", GPIO_GET_CHIPINFO, 0x8044b401],
  ["GPIO_V2_GET_LINEINFO_IOCTL", GPIO_V2_GET_LINEINFO, 0xc100b405],
  ["GPIO_V2_GET_LINE_IOCTL", GPIO_V2_GET_LINE, 0xc250b407],
  ["GPIO_V2_LINE_GET_VALUES_IOCTL", GPIO_V2_LINE_GET_VALUES, 0xc010b40e],
  ["GPIO_V2_LINE_SET_VALUES_IOCTL", GPIO_V2_LINE_SET_VALUES, 0xc010b40f],
])("%s has the header's number", (_name, ours, header) => {
  expect(ours).toBe(header);
});

describe("a request", () => {
  const consumer = "fieldpost";
  const CONSUMER = "6669656c64706f7374";

  test.each<[string, Parameters<typeof writeLineRequest>[0], Bytes]>([
    [
      "for an input with everything",
      {
        lines: [
          {
            offset: 17,
            flags: Flag.input | Flag.edgeRising | Flag.edgeFalling | Flag.biasUp | Flag.activeLow,
          },
        ],
        consumer,
        debounceUs: 20_000,
        eventBufferSize: 1_024,
      },
      {
        0: "11",
        256: CONSUMER,
        288: "3601",
        296: "01",
        320: "03",
        328: "204e",
        336: "01",
        560: "01",
        564: "0004",
      },
    ],
    [
      "for an output, with its first value",
      { consumer, lines: [{ offset: 300, flags: Flag.output, initial: 1 }] },
      { 0: "2c01", 256: CONSUMER, 288: "08", 296: "01", 320: "02", 328: "01", 336: "01", 560: "01" },
    ],
    [
      "for an output that begins as 0, which is said too",
      { consumer, lines: [{ offset: 1, flags: Flag.output, initial: 0 }] },
      { 0: "01", 256: CONSUMER, 288: "08", 296: "01", 320: "02", 336: "01", 560: "01" },
    ],
    [
      "for a plain input",
      { consumer, lines: [{ offset: 0, flags: Flag.input }], debounceUs: 0 },
      { 256: CONSUMER, 288: "04", 560: "01" },
    ],
    [
      "with the other biases",
      { consumer: "x".repeat(40), lines: [{ offset: 0, flags: Flag.input | Flag.biasDown | Flag.biasNone }] },
      { 256: "78".repeat(31), 288: "0406", 560: "01" },
    ],
    [
      "for three outputs, one of them open drain and active low",
      {
        consumer,
        lines: [
          { offset: 5, flags: Flag.output, initial: 1 },
          { offset: 6, flags: Flag.output | Flag.openDrain | Flag.activeLow, initial: 0 },
          { offset: 7, flags: Flag.output, initial: 1 },
        ],
      },
      {
        ...{ 0: "05", 4: "06", 8: "07", 256: CONSUMER, 288: "08", 296: "02" },
        ...{ 320: "01", 328: "4a", 336: "02", 344: "02", 352: "05", 360: "07", 560: "03" },
      },
    ],
  ])("%s has the header's bytes", (_name, request, expected) => {
    expect(writeLineRequest(request).toString("hex")).toBe(bytes(592, expected).toString("hex"));
  });

  test("holds the line's descriptor once it is granted", () => {
    expect(grantedFd(bytes(592, { 588: "78563412" }))).toBe(0x12345678);
  });
});

test("what a chip tells of itself is read", () => {
  expect(emptyChipInfo()).toHaveLength(68);
  const info = bytes(68, { 0: "6770696f6368697030", 32: "70696e6374726c2d62636d32373131", 64: "3a" });
  expect(readChipInfo(info)).toEqual({ name: "gpiochip0", label: "pinctrl-bcm2711", lineCount: 58 });
});

test("what a line tells of itself is asked and read", () => {
  expect(askLineInfo(17)).toEqual(bytes(256, { 64: "11" }));
  const info = bytes(256, { 0: "4750494f3137", 32: "7731", 64: "11", 72: "05" });
  expect(readLineInfo(info)).toEqual({ name: "GPIO17", consumer: "w1", isUsed: true });
  expect(readLineInfo(bytes(256, { 0: "61".repeat(32) })).name).toHaveLength(32);
});

test("no request says more of its lines than the kernel's structure holds", () => {
  const lines = Array.from({ length: 65 }, (_, offset) => ({ offset, flags: Flag.output }));
  expect(() => writeLineRequest({ consumer: "x", lines })).toThrow(RangeError);
  expect(() => writeLineRequest({ consumer: "x", lines: lines.slice(1) })).not.toThrow();
});

test("values are written for the lines of a request, and one is read", () => {
  expect(writeLineValues([1])).toEqual(bytes(16, { 0: "01", 8: "01" }));
  expect(writeLineValues([0])).toEqual(bytes(16, { 8: "01" }));
  expect(writeLineValues([0, 1, 1, 0])).toEqual(bytes(16, { 0: "06", 8: "0f" }));
  expect([readLineValue(bytes(16, { 0: "01" })), readLineValue(bytes(16, {}))]).toEqual([1, 0]);
});

test("as many events are read as there are whole ones", () => {
  const room = eventRoom(3);
  room.write("79df0d864870000002000000110000000900000007", 0, "hex");
  room.write("00ca9a3b000000000100000011000000ffffffffffffffff", 48, "hex");
  expect(room).toHaveLength(144);
  expect(readLineEvents(room, 0)).toEqual([]);
  expect(readLineEvents(room, 95)).toHaveLength(1);
  expect(readLineEvents(room, 96)).toEqual([
    { kind: "falling", monotonicMs: 123456789.012345, lineSeqno: 7 },
    { kind: "rising", monotonicMs: 1_000, lineSeqno: 0xffffffff },
  ]);
});
