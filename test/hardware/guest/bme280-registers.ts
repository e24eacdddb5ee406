/**
 * A BME280's registers (BST-BME280-DS002 revision 1.6, tables 16 and 18), by address. Temperature and pressure are
 * the worked example of BST-BMP280-DS001, section 3.12: 25.08 °C and 1006.53 hPa; it has none for humidity, whose
 * trimming is that of a real chip.
 */
export function bme280Registers(): readonly (readonly [address: number, bytes: readonly number[]])[] {
  const trimming = [27_504, 26_435, -1_000, 36_477, -10_685, 3_024, 2_855, 140, -7, 15_500, -14_600, 6_000];
  const [h1, h2, h3, h4, h5, h6] = [75, 370, 0, 310, 50, 30];
  return [
    [0x88, trimming.flatMap(littleEndian)],
    [0xa1, [h1]],
    [0xd0, [0x60]],
    [0xe1, [...littleEndian(h2), h3, h4 >> 4, (h4 & 0x0f) | ((h5 & 0x0f) << 4), h5 >> 4, h6]],
    [0xf3, [0]],
    [0xf7, [...twentyBits(415_148), ...twentyBits(519_888), 27_000 >> 8, 27_000 & 0xff]],
  ];
}

function littleEndian(word: number): number[] {
  return [word & 0xff, (word >> 8) & 0xff];
}

function twentyBits(reading: number): number[] {
  return [reading >> 12, (reading >> 4) & 0xff, (reading & 0x0f) << 4];
}
