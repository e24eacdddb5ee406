/** Numbers as the small files and headers have them: 8 bytes each, and none so high that a double could not hold it. */
export const NUMBER_BYTES = 8;

export function readNumber(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at));
}

export function writeNumber(into: Buffer, number: number, at: number): void {
  into.writeBigUInt64LE(BigInt(number), at);
}

/** Rows of numbers, the first of each one not 0, up to the end of `into`. */
export function writeRows(into: Buffer, rows: readonly (readonly number[])[], at: number): void {
  into.fill(0, at);
  for (const number of rows.flat()) {
    writeNumber(into, number, at);
    at += NUMBER_BYTES;
  }
}

export function readRows(bytes: Buffer, width: number, at: number): number[][] {
  const rows: number[][] = [];
  for (; at < bytes.length && readNumber(bytes, at) > 0; at += width * NUMBER_BYTES)
    rows.push(Array.from({ length: width }, (_, nth) => readNumber(bytes, at + nth * NUMBER_BYTES)));
  return rows;
}
