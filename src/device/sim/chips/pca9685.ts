import type { SimChip } from "../chip.ts";

const MODE1 = 0x00;
const LED0_ON_L = 0x06;
const PRE_SCALE = 0xfe;
const SLEEP = 0x10;
const AUTO_INCREMENT = 0x20;

export interface SimPca9685 extends SimChip {
  readonly frequencyHz: number;
  /** Which share of each period a channel is high. */
  share(channel: number): number;
  reset(): void;
}

/** NXP PCA9685 rev. 4, tables 4 to 8: asleep after power-up, all channels off. */
export function simPca9685(): SimPca9685 {
  const registers = new Uint8Array(256);
  let pointer = 0;

  function put(register: number, value: number): void {
    const asleep = (registers[MODE1]! & SLEEP) !== 0;
    if (register === PRE_SCALE && !asleep) return;
    registers[register] = register === PRE_SCALE ? Math.max(3, value) : value;
  }

  /** After register 69 comes 0 (table 4, remark). */
  function advance(): void {
    if ((registers[MODE1]! & AUTO_INCREMENT) !== 0) pointer = pointer === 69 ? 0 : (pointer + 1) & 0xff;
  }

  const chip: SimPca9685 = {
    get frequencyHz() {
      return 25_000_000 / (4_096 * (registers[PRE_SCALE]! + 1));
    },
    share(channel) {
      const [onLow = 0, onHigh = 0, offLow = 0, offHigh = 0] = registers.subarray(LED0_ON_L + 4 * channel);
      if ((registers[MODE1]! & SLEEP) !== 0 || (offHigh & 0x10) !== 0) return 0;
      if ((onHigh & 0x10) !== 0) return 1;
      const steps = (((offHigh & 0x0f) << 8) | offLow) - (((onHigh & 0x0f) << 8) | onLow);
      return (steps < 0 ? steps + 4_096 : steps) / 4_096;
    },
    reset() {
      registers.fill(0);
      registers[MODE1] = SLEEP | 0x01;
      registers[0x01] = 0x04;
      registers[PRE_SCALE] = 0x1e;
      for (let channel = 0; channel < 16; channel++) registers[LED0_ON_L + 4 * channel + 3] = 0x10;
      pointer = 0;
    },
    write([register, ...values]) {
      if (register === undefined) return;
      pointer = register;
      for (const value of values) {
        put(pointer, value);
        advance();
      }
    },
    read(length) {
      return Uint8Array.from({ length }, () => {
        const value = registers[pointer]!;
        advance();
        return value;
      });
    },
  };
  chip.reset();
  return chip;
}
