import { GpioError } from "../gpio.ts";
import type { I2cDevice } from "../i2c.ts";

/** Two neighbouring byte registers as one word, the lower pins in the first. */
export async function readWord(device: I2cDevice, register: number): Promise<number> {
  const [low = 0, high = 0] = await device.exchange([register], 2);
  return low | (high << 8);
}

export async function writeWord(device: I2cDevice, register: number, value: number): Promise<void> {
  await device.exchange([register, value & 0xff, (value >> 8) & 0xff], 0);
}

/** Reads back what was written: a chip that lost its supply acknowledges all the same. */
export async function verifyWord(device: I2cDevice, register: number, value: number): Promise<void> {
  const found = await readWord(device, register);
  if (found === value) return;
  throw new GpioError(
    "io",
    `register 0x${register.toString(16)} holds 0x${found.toString(16)} instead of 0x${value.toString(16)}`,
  );
}
