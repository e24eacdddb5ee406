import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { crc8Dallas } from "../../src/device/sim/crc8.ts";
import { parseW1Slave } from "../../src/sensors/w1-slave.ts";

/** The kernel's text for a scratchpad that was read well. */
function text(bytes: readonly number[], milliCelsius: number, crc = crc8Dallas(bytes)): string {
  const hex = [...bytes, crc].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return `${hex} : crc=${crc.toString(16).padStart(2, "0")} YES\n${hex} t=${milliCelsius}\n`;
}

function converted(raw: number): string {
  const bytes = [raw & 0xff, (raw >> 8) & 0xff, 0x4b, 0x46, 0x7f, 0xff, 0x10 - (raw & 0xf), 0x10];
  return text(bytes, Math.trunc((raw * 1000) / 16));
}

describe("a temperature", () => {
  test.each([
    // Kernel documentation, Documentation/w1/slaves/w1_therm.rst.
    [
      "the kernel's own example",
      "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n",
      23.125,
    ],
    // DS18B20 datasheet, table 1: temperature/data relationship.
    ["+125 °C", converted(0x07d0), 125],
    ["+25.0625 °C", converted(0x0191), 25.062],
    ["+0.5 °C", converted(0x0008), 0.5],
    ["0 °C", converted(0x0000), 0],
    ["-0.5 °C", converted(0xfff8 - 0x10000), -0.5],
    ["-25.0625 °C", converted(0xfe6f - 0x10000), -25.062],
    ["-55 °C", converted(0xfc90 - 0x10000), -55],
    ["a measured +85 °C", converted(0x0550), 85],
    // DS18S20: half degrees in the register, sixteenths from COUNT REMAIN; the kernel has done that arithmetic.
    ["a DS18S20's", text([0x2d, 0x00, 0x4b, 0x46, 0xff, 0xff, 0x08, 0x10], 22_250), 22.25],
  ])("is read: %s", (_name, slave, celsius) => {
    expect(parseW1Slave(slave)).toBe(celsius);
  });

  test("is read over the chip's whole range", () => {
    fc.assert(
      fc.property(fc.integer({ min: -55 * 16, max: 125 * 16 }), (raw) => {
        expect(parseW1Slave(converted(raw))).toBeCloseTo(raw / 16, 2);
      }),
    );
  });
});

describe("what is no temperature", () => {
  test.each([
    ["an empty text, as kernel 6.12 gives for a chip that is gone", "", "disconnected"],
    ["an empty line", "\n", "disconnected"],
    ["all zeros, whose checksum is right", text(new Array(8).fill(0), 0), "disconnected"],
    [
      "all ones",
      "ff ff ff ff ff ff ff ff ff : crc=c9 NO\n72 01 4b 46 7f ff 0e 10 57 t=23125\n",
      "disconnected",
    ],
    [
      "a wrong checksum, with the last good temperature in the second line",
      "72 01 4b 46 7f ff 0e 10 56 : crc=57 NO\n72 01 4b 46 7f ff 0e 10 57 t=23125\n",
      "crc",
    ],
    [
      "a wrong checksum that is called right",
      "73 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n73 01 4b 46 7f ff 0e 10 57 t=23187\n",
      "crc",
    ],
    ["a text cut off", "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b", "crc"],
    ["some other text", "85000", "crc"],
    ["the power-on value", text([0x50, 0x05, 0x4b, 0x46, 0x7f, 0xff, 0x0c, 0x10], 85_000), "power_on_value"],
    [
      "a DS18S20's power-on value",
      text([0xaa, 0x00, 0x4b, 0x46, 0xff, 0xff, 0x0c, 0x10], 85_000),
      "power_on_value",
    ],
    ["too hot", converted(126 * 16), "out_of_range"],
    ["too cold", converted(-56 * 16), "out_of_range"],
  ])("is refused: %s", (_name, slave, fault) => {
    expect(() => parseW1Slave(slave)).toThrow(expect.objectContaining({ name: "SensorError", fault }));
  });

  test("any single bit that flips is found", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -55 * 16, max: 125 * 16 }),
        fc.nat({ max: 8 }),
        fc.nat({ max: 7 }),
        (raw, at, bit) => {
          const [hex = ""] = converted(raw).split(" :");
          const bytes = hex.split(" ").map((byte) => Number.parseInt(byte, 16));
          bytes[at]! ^= 1 << bit;
          const flipped = text(bytes.slice(0, 8), 20_000, bytes[8]);
          expect(() => parseW1Slave(flipped)).toThrow();
        },
      ),
    );
  });
});
