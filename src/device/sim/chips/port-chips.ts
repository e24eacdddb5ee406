import type { SimChip } from "../chip.ts";
import { SimPins } from "./sim-pins.ts";

/** A chip whose pins can be held and looked at. */
export interface SimPortChip extends SimChip {
  readonly pins: SimPins;
  /** Told when the INT output goes low (true) and back. */
  onInterrupt: (low: boolean) => void;
  reset(): void;
}

interface RegisterMap {
  readonly count: number;
  readonly afterReset: ReadonlyMap<number, number>;
  readonly input: number;
  readonly output: number;
  /** 1: input. */
  readonly direction: number;
  /** Which inputs interrupt; undefined: all. */
  readonly interruptOn?: number;
  /** The register after this one in an auto-incremented transfer. */
  next(register: number): number;
}

/** MCP23017 in its layout after a reset (DS20001952C, table 3-5). */
export function simMcp23017(): SimPortChip {
  return simRegisterChip({
    count: 0x16,
    afterReset: new Map([
      [0x00, 0xff],
      [0x01, 0xff],
    ]),
    input: 0x12,
    output: 0x14,
    direction: 0x00,
    interruptOn: 0x04,
    next: (register) => (register + 1) % 0x16,
  });
}

/** TCA9555 (SCPS200, "Register Maps"): a transfer stays within its pair of registers. */
export function simTca9555(): SimPortChip {
  const high = [0x02, 0x03, 0x06, 0x07].map((register) => [register, 0xff] as const);
  return simRegisterChip({
    count: 8,
    afterReset: new Map(high),
    input: 0x00,
    output: 0x02,
    direction: 0x06,
    next: (register) => register ^ 1,
  });
}

function simRegisterChip(map: RegisterMap): SimPortChip {
  const registers = new Uint8Array(map.count);
  const pins = new SimPins(16);
  let pointer = 0;
  let seen = 0;
  const word = (register: number) => registers[register]! | (registers[register + 1]! << 8);
  const inputs = () => (map.interruptOn === undefined ? 0xffff : word(map.interruptOn)) & word(map.direction);

  const chip: SimPortChip = {
    pins,
    onInterrupt: () => {},
    reset() {
      registers.fill(0);
      for (const [register, value] of map.afterReset) registers[register] = value;
      pointer = 0;
      settle();
      seen = pins.word;
    },
    write([register, ...values]) {
      if (register === undefined) return;
      pointer = register % map.count;
      for (const value of values) {
        const target = pointer === map.input || pointer === map.input + 1 ? undefined : pointer;
        if (target !== undefined) registers[target] = value;
        pointer = map.next(pointer);
      }
      settle();
    },
    read(length) {
      return Uint8Array.from({ length }, () => {
        const at = pointer;
        pointer = map.next(pointer);
        if (at !== map.input && at !== map.input + 1) return registers[at]!;
        seen = pins.word;
        chip.onInterrupt(false);
        return (seen >> (8 * (at - map.input))) & 0xff;
      });
    },
  };

  function settle(): void {
    for (let pin = 0; pin < 16; pin++) {
      const isInput = (word(map.direction) >> pin) & 1;
      pins.drive(pin, isInput ? undefined : (((word(map.output) >> pin) & 1) as 0 | 1));
    }
  }

  pins.onChange = () => {
    if (((pins.word ^ seen) & inputs()) !== 0) chip.onInterrupt(true);
  };
  chip.reset();
  return chip;
}

/** PCF8574 and PCF8575 (SCPS068, SCPS121): a pin is held low, or is weakly high and an input. */
export function simPcf857x(count: 8 | 16): SimPortChip {
  const pins = new SimPins(count);
  let seen = pins.word;
  const chip: SimPortChip = {
    pins,
    onInterrupt: () => {},
    reset() {
      for (let pin = 0; pin < count; pin++) pins.drive(pin, undefined);
      seen = pins.word;
    },
    write(bytes) {
      // Fewer bytes than ports leave the later ports as they were.
      for (const [port, byte] of bytes.slice(0, count / 8).entries())
        for (let bit = 0; bit < 8; bit++) pins.drive(8 * port + bit, (byte >> bit) & 1 ? undefined : 0);
      seen = pins.word;
    },
    read(length) {
      seen = pins.word;
      chip.onInterrupt(false);
      return Uint8Array.from({ length }, (_, index) => (seen >> (8 * (index % (count / 8)))) & 0xff);
    },
  };
  pins.onChange = () => {
    if (pins.word !== seen) chip.onInterrupt(true);
  };
  return chip;
}
