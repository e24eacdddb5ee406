/**
 * What converter readings a BME280 would give at known physical values. The compensation is the datasheet's integer
 * one (BST-BME280-DS002 revision 1.6, section 4.2.3) where the driver uses the floating-point one (section 8.1), so
 * that a simulated reading compares two independent derivations.
 */

/** Trimming parameters: T and P of the datasheets' worked example, H of an ordinary chip. */
export const TRIM = {
  T: [27_504, 26_435, -1_000],
  P: [36_477, -10_685, 3_024, 2_855, 140, -7, 15_500, -14_600, 6_000],
  H: [75, 370, 0, 313, 50, 30],
} as const;

const MAX_20_BITS = 0xfffff;
const MAX_16_BITS = 0xffff;

/** Degrees Celsius times 5120. */
export function fineTemperature(raw: number): number {
  const [t1, t2, t3] = TRIM.T;
  const linear = (((raw >> 3) - (t1 << 1)) * t2) >> 11;
  const distance = (raw >> 4) - t1;
  return linear + ((((distance * distance) >> 12) * t3) >> 14);
}

/** Pascal times 256, by 64-bit integers. */
function pressureQ8(raw: number, fine: number): number {
  const [p1, p2, p3, p4, p5, p6, p7, p8, p9] = TRIM.P.map(BigInt) as unknown as Tuple9<bigint>;
  const x = BigInt(fine) - 128_000n;
  const offset = x * x * p6 + ((x * p5) << 17n) + (p4 << 35n);
  const gain = (((1n << 47n) + ((x * x * p3) >> 8n) + ((x * p2) << 12n)) * p1) >> 33n;
  const linear = (((BigInt(1_048_576 - raw) << 31n) - offset) * 3_125n) / gain;
  const square = (p9 * (linear >> 13n) * (linear >> 13n)) >> 25n;
  return Number(((linear + square + ((p8 * linear) >> 19n)) >> 8n) + (p7 << 4n));
}

type Tuple9<T> = [T, T, T, T, T, T, T, T, T];

/** Percent relative humidity times 1024. Doubles hold every intermediate value exactly; `>>` needs 32 bits. */
function humidityQ10(raw: number, fine: number): number {
  const [h1, h2, h3, h4, h5, h6] = TRIM.H;
  const x = fine - 76_800;
  const linear = Math.floor((raw * 2 ** 14 - h4 * 2 ** 20 - h5 * x + 2 ** 14) / 2 ** 15);
  const bend = ((((x * h6) >> 10) * (((x * h3) >> 11) + 32_768)) >> 10) + 2_097_152;
  const product = linear * ((bend * h2 + 8_192) >> 14);
  const square = ((product >> 15) * (product >> 15)) >> 7;
  return Math.min(419_430_400, Math.max(0, product - ((square * h1) >> 4))) >> 12;
}

export function rawTemperature(celsius: number): number {
  return search(MAX_20_BITS, (raw) => fineTemperature(raw) >= celsius * 5_120);
}

export function rawPressure(pascal: number, fine: number): number {
  return search(MAX_20_BITS, (raw) => pressureQ8(raw, fine) <= pascal * 256);
}

export function rawHumidity(percent: number, fine: number): number {
  return search(MAX_16_BITS, (raw) => humidityQ10(raw, fine) >= percent * 1_024);
}

/** The lowest reading for which `reached` holds, or the highest there is. `reached` stays true once it is. */
function search(highest: number, reached: (raw: number) => boolean): number {
  let below = -1;
  let above = highest;
  while (above - below > 1) {
    const middle = (above + below) >> 1;
    if (reached(middle)) above = middle;
    else below = middle;
  }
  return above;
}
