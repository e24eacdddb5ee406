import type { SimChip } from "../chip.ts";

export interface SimMcp4725 extends SimChip {
  /** What the output is at, as a share of the supply; 0 while powered down. */
  readonly share: number;
  /** How often the EEPROM was written. */
  readonly eepromWrites: number;
  reset(): void;
}

/** Microchip DS22039D, sections 6.1 and 6.2. The EEPROM of a new chip holds the middle of its range (table 4-1). */
export function simMcp4725(): SimMcp4725 {
  let eeprom = 0x800;
  let code = eeprom;
  let powerDown = 0;
  let eepromWrites = 0;
  return {
    get share() {
      return powerDown === 0 ? code / 4_096 : 0;
    },
    get eepromWrites() {
      return eepromWrites;
    },
    reset() {
      code = eeprom;
      powerDown = 0;
    },
    write([first, second, third]) {
      if (first === undefined || second === undefined) return;
      const command = first >> 5;
      if (command <= 0b001) {
        // Fast mode: 00, PD1, PD0, D11 to D8; D7 to D0.
        powerDown = (first >> 4) & 0b11;
        code = ((first & 0x0f) << 8) | second;
        return;
      }
      if ((command !== 0b010 && command !== 0b011) || third === undefined) return;
      powerDown = (first >> 1) & 0b11;
      code = (second << 4) | (third >> 4);
      if (command === 0b010) return;
      eeprom = code;
      eepromWrites++;
    },
    read(length) {
      // RDY and POR; DAC register; EEPROM (figure 6-3).
      const bytes = [0xc0 | (powerDown << 1), code >> 4, (code & 0x0f) << 4, eeprom >> 8, eeprom & 0xff];
      return Uint8Array.from({ length }, (_, index) => bytes[index % bytes.length]!);
    },
  };
}
