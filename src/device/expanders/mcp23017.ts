import type { I2cDevice } from "../i2c.ts";
import type { PortChip } from "./port-chip.ts";
import { readWord, verifyWord, writeWord } from "./registers16.ts";

/** Microchip DS20001952C, table 3-5 (IOCON.BANK = 0, as after a reset): each register of port A with that of port B behind it. */
const IODIR = 0x00;
const IPOL = 0x02;
const GPINTEN = 0x04;
const INTCON = 0x08;
const IOCON = 0x0a;
const GPPU = 0x0c;
const GPIO = 0x12;
const OLAT = 0x14;

/** Section 3.5.6: MIRROR (either INT pin speaks for both ports) and ODR (open drain, active low). */
const IOCON_VALUE = 0x40 | 0x04;

export function mcp23017(device: I2cDevice): PortChip {
  return {
    pinCount: 16,
    pullUps: "chosen",
    async recall() {
      return {
        outputs: ~(await readWord(device, IODIR)) & 0xffff,
        levels: await readWord(device, OLAT),
        pullUps: await readWord(device, GPPU),
      };
    },
    async write({ outputs, levels, pullUps }) {
      const inputs = ~outputs & 0xffff;
      await writeWord(device, OLAT, levels);
      await writeWord(device, IOCON, IOCON_VALUE | (IOCON_VALUE << 8));
      await writeWord(device, GPPU, pullUps);
      await writeWord(device, IPOL, 0);
      await writeWord(device, IODIR, inputs);
      // Any change of an input against what it was last read as (section 3.5.3).
      await writeWord(device, INTCON, 0);
      await writeWord(device, GPINTEN, inputs);
      await verifyWord(device, OLAT, levels);
      await verifyWord(device, IODIR, inputs);
    },
    read: () => readWord(device, GPIO),
  };
}
