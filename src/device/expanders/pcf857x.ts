import type { I2cDevice } from "../i2c.ts";
import type { PortChip } from "./port-chip.ts";

/**
 * PCF8574 (TI SCPS068, section 8.3) and PCF8575 (SCPS121): no registers and no directions. A pin that is written high is
 * held up by 100 µA only, so that it can be an input; one that is written low sinks 25 mA. All are high after power-up.
 * What was written cannot be read back, only what the pins are at.
 */
export function pcf857x(device: I2cDevice, pinCount: 8 | 16): PortChip {
  const length = pinCount / 8;
  const read = async () => {
    const [low = 0, high = 0] = await device.exchange([], length);
    return low | (high << 8);
  };
  return {
    pinCount,
    pullUps: "always",
    recall: async () => ({ outputs: 0, levels: await read(), pullUps: 0 }),
    async write({ levels }) {
      await device.exchange([levels & 0xff, levels >> 8].slice(0, length), 0);
    },
    read,
  };
}
