import type { ChipSite } from "../chip.ts";
import type { SimSpiChip } from "../spi.ts";

const BIAS_ON = 0x80;
const ONE_SHOT = 0x20;
const CLEAR_FAULTS = 0x02;
const CONVERSION_MS = 62.5;

/** Of the element's resistance at 0 °C, as on the boards that are sold. */
const REFERENCE_RATIO = 4.3;

/** A MAX31865 (19-6478 rev 3) with a platinum element whose temperature is the world's. */
export function simMax31865({ place, world, clock }: ChipSite): SimSpiChip {
  const registers = new Uint8Array(8);
  let convertedAtMs: number | undefined;

  function reset(): void {
    registers.fill(0);
    registers.set([0xff, 0xff], 3);
    convertedAtMs = undefined;
  }

  function configure(value: number): void {
    registers[0] = value & ~CLEAR_FAULTS;
    if ((value & CLEAR_FAULTS) !== 0) registers[7] = 0;
    if ((value & ONE_SHOT) !== 0) convertedAtMs = clock.monotonicMs() + CONVERSION_MS;
  }

  function finishConversion(): void {
    if (convertedAtMs === undefined || clock.monotonicMs() < convertedAtMs) return;
    convertedAtMs = undefined;
    const isBiased = (registers[0]! & BIAS_ON) !== 0;
    const ratio = isBiased ? platinumRatio(world.get(place, "temperature")) / REFERENCE_RATIO : 0;
    const code = Math.min(32_767, Math.round(ratio * 32_768));
    registers.set([code >> 7, (code << 1) & 0xff], 1);
    registers[0]! &= ~ONE_SHOT;
  }

  reset();
  return {
    modes: [1, 3],
    reset,
    transfer([address = 0, ...bytes]) {
      finishConversion();
      const answer = bytes.map((byte, index) => {
        const register = (address + index) & 7;
        if ((address & 0x80) === 0) return registers[register]!;
        if (register === 0) configure(byte);
        else if (register >= 3 && register <= 6) registers[register] = byte;
        return 0;
      });
      return Uint8Array.of(0, ...answer);
    },
  };
}

/** IEC 60751: resistance over that at 0 °C. */
function platinumRatio(celsius: number): number {
  const belowZero = celsius < 0 ? -4.183e-12 * (celsius - 100) * celsius ** 3 : 0;
  return 1 + 3.9083e-3 * celsius - 5.775e-7 * celsius ** 2 + belowZero;
}
