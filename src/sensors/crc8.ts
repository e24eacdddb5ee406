/** The checksum after one more byte, for each state that the one before can leave (state xor byte). */
type Table = Uint8Array;

function tableOf(shift: (state: number) => number): Table {
  return Uint8Array.from({ length: 256 }, (_, byte) => {
    let state = byte;
    for (let bit = 0; bit < 8; bit++) state = shift(state);
    return state;
  });
}

const SENSIRION = tableOf((state) => (state & 0x80 ? (state << 1) ^ 0x31 : state << 1) & 0xff);

const DALLAS = tableOf((state) => (state & 1 ? (state >> 1) ^ 0x8c : state >> 1));

function checksum(bytes: Iterable<number>, table: Table, initial: number): number {
  let state = initial;
  for (const byte of bytes) state = table[state ^ byte]!;
  return state;
}

/**
 * CRC-8 of Sensirion's chips: polynomial 0x31 (x^8 + x^5 + x^4 + 1), initial value 0xff, no reflection, no final xor;
 * 0xbe 0xef gives 0x92 (SHT4x datasheet version 6, section 4.4).
 */
export function crc8Sensirion(bytes: Iterable<number>): number {
  return checksum(bytes, SENSIRION, 0xff);
}

/**
 * CRC-8 of 1-Wire chips: the same polynomial with the least significant bit first, initial value 0; a checksum run
 * over data and their checksum gives 0 (Maxim application note 27).
 */
export function crc8Dallas(bytes: Iterable<number>): number {
  return checksum(bytes, DALLAS, 0);
}
