/** CRC-8, most significant bit first, bit by bit. `polynomial` without its x^8 term. */
export function crc8(bytes: Iterable<number>, polynomial: number, initial: number): number {
  let crc = initial;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x80 ? ((crc << 1) ^ polynomial) & 0xff : crc << 1;
  }
  return crc;
}

/** Dallas/Maxim CRC-8 (x^8 + x^5 + x^4 + 1, least significant bit first), as in application note 27. */
export function crc8Dallas(bytes: Iterable<number>): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ 0x8c : crc >> 1;
  }
  return crc;
}
