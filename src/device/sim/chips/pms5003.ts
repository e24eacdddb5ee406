import type { ChipSite } from "../chip.ts";
import type { SimSerialChip } from "../serial.ts";

/** In stable mode (data manual, "Output result"). */
const PERIOD_MS = 2_300;

/** A PMS5003 in active mode: it speaks by itself. */
export function simPms5003({ place, world }: ChipSite): SimSerialChip {
  function frame(): Uint8Array {
    const [pm1, pm2_5, pm10] = ["pm1", "pm2_5", "pm10"].map((quantity) =>
      Math.min(1_000, Math.max(0, Math.round(world.get(place, quantity)))),
    ) as [number, number, number];
    // Counts per 0.1 l, coarser and coarser, and a reserved word.
    const counts = [300, 150, 50, 10, 3, 1].map((perMicrogram) => Math.min(0xffff, perMicrogram * pm1));
    const words = [28, pm1, pm2_5, pm10, pm1, pm2_5, pm10, ...counts, 0x9700];
    const bytes = [0x42, 0x4d, ...words.flatMap((word) => [word >> 8, word & 0xff])];
    const sum = bytes.reduce((sum, byte) => sum + byte, 0);
    return Uint8Array.of(...bytes, sum >> 8, sum & 0xff);
  }
  return {
    hear() {},
    next: (afterMs) => ({ atMs: (Math.floor(afterMs / PERIOD_MS) + 1) * PERIOD_MS, bytes: frame }),
  };
}
