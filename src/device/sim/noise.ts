import type { Random } from "../random.ts";

/** What noise on a wire does to an answer. */
export function flipOneBit(bytes: Uint8Array, random: Random): void {
  const bit = Math.floor(random() * bytes.length * 8);
  bytes[bit >> 3]! ^= 1 << (bit & 7);
}
