import { SensorError } from "./driver.ts";

/** The trimming parameters of one chip under the datasheet's names, without their prefix `dig_` (table 16). */
export interface Calibration {
  readonly T: readonly [t1: number, t2: number, t3: number];
  readonly P: readonly [
    p1: number,
    p2: number,
    p3: number,
    p4: number,
    p5: number,
    p6: number,
    p7: number,
    p8: number,
    p9: number,
  ];
  readonly H: readonly [h1: number, h2: number, h3: number, h4: number, h5: number, h6: number];
}

/** Readings of the converter, before compensation. */
export interface RawMeasurement {
  /** 20 bits. */
  readonly pressure: number;
  /** 20 bits. */
  readonly temperature: number;
  /** 16 bits. */
  readonly humidity: number;
}

/**
 * Takes the trimming parameters from the registers 0x88..0xa1 and 0xe1..0xe7 (BST-BME280-DS002 revision 1.6, section
 * 4.2.2). Rejects an empty block, which a dead bus gives and with which the formulas would divide by zero.
 */
export function decodeCalibration(low: Uint8Array, high: Uint8Array): Calibration {
  const a = new DataView(low.buffer, low.byteOffset, low.byteLength);
  const b = new DataView(high.buffer, high.byteOffset, high.byteLength);
  const u16 = (at: number) => a.getUint16(at, true);
  const s16 = (at: number) => a.getInt16(at, true);
  if (u16(0) === 0 || u16(6) === 0) throw new SensorError("wrong_chip", "the calibration is empty");
  return {
    T: [u16(0), s16(2), s16(4)],
    P: [u16(6), s16(8), s16(10), s16(12), s16(14), s16(16), s16(18), s16(20), s16(22)],
    H: [
      a.getUint8(25),
      b.getInt16(0, true),
      b.getUint8(2),
      // Two signed 12-bit numbers share the middle one of three bytes (0xe4..0xe6).
      b.getInt8(3) * 16 + (b.getUint8(4) & 0x0f),
      b.getInt8(5) * 16 + (b.getUint8(4) >> 4),
      b.getInt8(6),
    ],
  };
}

/** Fine temperature, the resolution that the other two formulas need: 5120 to the degree Celsius (section 8.1). */
export function fineTemperature(raw: number, { T: [t1, t2, t3] }: Calibration): number {
  const linear = (raw / 16_384 - t1 / 1_024) * t2;
  const square = (raw / 131_072 - t1 / 8_192) ** 2 * t3;
  return linear + square;
}

/** Degrees Celsius (section 8.1). */
export function celsius(fine: number): number {
  return fine / 5_120;
}

/** Pascal (section 8.1). */
export function pascal(raw: number, fine: number, { P }: Calibration): number {
  const [p1, p2, p3, p4, p5, p6, p7, p8, p9] = P;
  const x = fine / 2 - 64_000;
  const offset = ((x * x * p6) / 32_768 + x * p5 * 2) / 4 + p4 * 65_536;
  const gain = (1 + ((p3 * x * x) / 524_288 + p2 * x) / 524_288 / 32_768) * p1;
  const linear = ((1_048_576 - raw - offset / 4_096) * 6_250) / gain;
  const correction = (p9 * linear * linear) / 2_147_483_648 + (linear * p8) / 32_768 + p7;
  return linear + correction / 16;
}

/** Percent relative humidity, held to 0..100 as the datasheet does (section 8.1). */
export function percentHumidity(
  raw: number,
  fine: number,
  { H: [h1, h2, h3, h4, h5, h6] }: Calibration,
): number {
  const x = fine - 76_800;
  const gain = (h2 / 65_536) * (1 + (h6 / 67_108_864) * x * (1 + (h3 / 67_108_864) * x));
  const linear = (raw - (h4 * 64 + (h5 / 16_384) * x)) * gain;
  const humidity = linear * (1 - (h1 * linear) / 524_288);
  return Math.min(100, Math.max(0, humidity));
}
