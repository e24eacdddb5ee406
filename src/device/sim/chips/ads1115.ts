import type { ChipSite, SimChip } from "../chip.ts";

/** Registers (SBAS444, section "Register Map"). */
const CONVERSION = 0;
const CONFIG = 1;
const LOW_THRESHOLD = 2;
const HIGH_THRESHOLD = 3;

const CONFIG_AFTER_RESET = 0x8583;
const OS = 1 << 15;
const SINGLE_SHOT = 1 << 8;

/** MUX[2:0]: positive and negative input; undefined is ground. */
const INPUTS: readonly (readonly [string, string | undefined])[] = [
  ["a0", "a1"],
  ["a0", "a3"],
  ["a1", "a3"],
  ["a2", "a3"],
  ["a0", undefined],
  ["a1", undefined],
  ["a2", undefined],
  ["a3", undefined],
];

/** PGA[2:0], volts. */
const FULL_SCALES = [6.144, 4.096, 2.048, 1.024, 0.512, 0.256, 0.256, 0.256];

/** DR[2:0], samples per second. */
const DATA_RATES = [8, 16, 32, 64, 128, 250, 475, 860];

const WAKE_UP_MS = 0.025;

/** An ADS1115. The world's quantities at its pins are `a0` to `a3`, in volts. */
export function simAds1115({ place, world, clock, random }: ChipSite): SimChip {
  const registers = new Uint16Array(4);
  let pointer = CONVERSION;
  let convertedAtMs: number | undefined;

  function reset(): void {
    registers[CONVERSION] = 0;
    registers[CONFIG] = CONFIG_AFTER_RESET & ~OS;
    registers[LOW_THRESHOLD] = 0x8000;
    registers[HIGH_THRESHOLD] = 0x7fff;
    pointer = CONVERSION;
    convertedAtMs = undefined;
  }

  function configure(value: number): void {
    registers[CONFIG] = value & ~OS;
    const starts = (value & OS) !== 0 || (value & SINGLE_SHOT) === 0;
    // The oscillator is off by up to 10 % (electrical characteristics).
    const periodMs = (1_000 / DATA_RATES[(value >> 5) & 0b111]!) * (0.9 + 0.2 * random());
    if (starts) convertedAtMs = clock.monotonicMs() + WAKE_UP_MS + periodMs;
  }

  function finishConversion(): void {
    if (convertedAtMs === undefined || clock.monotonicMs() < convertedAtMs) return;
    registers[CONVERSION] = code();
    if ((registers[CONFIG]! & SINGLE_SHOT) !== 0) convertedAtMs = undefined;
  }

  function code(): number {
    const [positive, negative] = INPUTS[(registers[CONFIG]! >> 12) & 0b111]!;
    const fullScale = FULL_SCALES[(registers[CONFIG]! >> 9) & 0b111]!;
    const volts = world.get(place, positive) - (negative === undefined ? 0 : world.get(place, negative));
    return Math.min(32_767, Math.max(-32_768, Math.round((volts / fullScale) * 32_768))) & 0xffff;
  }

  reset();
  return {
    reset,
    write(bytes) {
      finishConversion();
      const [register, high, low] = bytes;
      if (register !== undefined) pointer = register & 0b11;
      if (high === undefined || low === undefined || pointer === CONVERSION) return;
      const value = (high << 8) | low;
      if (pointer === CONFIG) configure(value);
      else registers[pointer] = value;
    },
    read(length) {
      finishConversion();
      const idle = pointer === CONFIG && convertedAtMs === undefined ? OS : 0;
      const value = registers[pointer]! | idle;
      return Uint8Array.from({ length }, (_, index) => (index % 2 === 0 ? value >> 8 : value & 0xff));
    },
  };
}
