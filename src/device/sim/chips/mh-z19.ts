import type { ChipSite } from "../chip.ts";
import type { SimSerialChip, Utterance } from "../serial.ts";

/** Nine bytes at 9,600 baud, and as long to think. */
const ANSWER_MS = 20;

/** An MH-Z19B: answers the command to read, and takes the one about its calibration without a word. */
export function simMhZ19({ place, world, clock }: ChipSite): SimSerialChip {
  let answer: Utterance | undefined;

  function reading(): Uint8Array {
    const ppm = Math.min(5_000, Math.max(0, Math.round(world.get(place, "carbon_dioxide"))));
    const bytes = [0xff, 0x86, ppm >> 8, ppm & 0xff, 0x42, 0, 0, 0];
    return Uint8Array.of(...bytes, checksum(bytes));
  }

  return {
    hear(bytes) {
      if (bytes.length !== 9 || bytes[0] !== 0xff || bytes[8] !== checksum([...bytes])) return;
      if (bytes[2] === 0x86) answer = { atMs: clock.monotonicMs() + ANSWER_MS, bytes: reading };
    },
    next: (afterMs) => (answer && answer.atMs > afterMs ? answer : undefined),
  };
}

/** User's manual, "Checksum calculation method". */
function checksum(bytes: readonly number[]): number {
  const sum = bytes.slice(1, 8).reduce((sum, byte) => sum + byte, 0);
  return ((~sum & 0xff) + 1) & 0xff;
}
