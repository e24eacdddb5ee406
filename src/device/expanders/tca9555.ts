import type { I2cDevice } from "../i2c.ts";
import type { PortChip } from "./port-chip.ts";
import { readWord, verifyWord, writeWord } from "./registers16.ts";

/** TI SCPS200, "Command Byte" and "Register Maps"; NXP's PCA9555 and TI's PCA9535/TCA9535 are alike. */
const INPUT = 0x00;
const OUTPUT = 0x02;
const POLARITY = 0x04;
const CONFIGURATION = 0x06;

/** Inputs of a TCA9555 have pull-ups of about 100 kΩ that cannot be switched off; those of a TCA9535 have none. */
export function tca9555(device: I2cDevice): PortChip {
  return {
    pinCount: 16,
    pullUps: "always",
    async recall() {
      return {
        outputs: ~(await readWord(device, CONFIGURATION)) & 0xffff,
        levels: await readWord(device, OUTPUT),
        pullUps: 0,
      };
    },
    async write({ outputs, levels }) {
      const inputs = ~outputs & 0xffff;
      await writeWord(device, OUTPUT, levels);
      await writeWord(device, POLARITY, 0);
      await writeWord(device, CONFIGURATION, inputs);
      await verifyWord(device, OUTPUT, levels);
      await verifyWord(device, CONFIGURATION, inputs);
    },
    read: () => readWord(device, INPUT),
  };
}
