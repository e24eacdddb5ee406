import fc from "fast-check";
import { expect, test } from "vitest";
import { crc8, crc8Dallas as crc8DallasOfChip } from "../../src/device/sim/crc8.ts";
import { crc8Dallas, crc8Sensirion } from "../../src/sensors/crc8.ts";

const bytes = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 1, maxLength: 40 });

test("gives the SHT4x datasheet's example", () => {
  expect(crc8Sensirion([0xbe, 0xef])).toBe(0x92);
});

test("gives the checksum of a DS18B20's scratchpad after power-on", () => {
  expect(crc8Dallas([0x50, 0x05, 0x4b, 0x46, 0x7f, 0xff, 0x0c, 0x10])).toBe(0x1c);
});

test("gives application note 27's example", () => {
  expect(crc8Dallas([0x02, 0x1c, 0xb8, 0x01, 0x00, 0x00, 0x00])).toBe(0xa2);
});

test("agrees with the bitwise form that the simulated chips compute", () => {
  fc.assert(
    fc.property(bytes, (data) => {
      expect(crc8Sensirion(data)).toBe(crc8(data, 0x31, 0xff));
      expect(crc8Dallas(data)).toBe(crc8DallasOfChip(data));
    }),
  );
});

test("notices every single flipped bit", () => {
  fc.assert(
    fc.property(bytes, fc.nat(), (data, position) => {
      const bit = position % (data.length * 8);
      const flipped = data.with(bit >> 3, data[bit >> 3]! ^ (1 << (bit & 7)));
      expect(crc8Sensirion(flipped)).not.toBe(crc8Sensirion(data));
      expect(crc8Dallas(flipped)).not.toBe(crc8Dallas(data));
    }),
  );
});

test("over data and their 1-Wire checksum is zero", () => {
  fc.assert(
    fc.property(bytes, (data) => {
      expect(crc8Dallas([...data, crc8Dallas(data)])).toBe(0);
    }),
  );
});
