import * as v from "valibot";
import { deviceAt, type I2cDevice } from "../device/i2c.ts";
import type { ActuatorKind, ActuatorValue } from "./kind.ts";

/** Microchip DS22039D, section 6.1: the command of the DAC register together with the EEPROM (C2, C1, C0 = 0, 1, 1). */
const WRITE_EEPROM = 0x60;

const STEPS = 4_096;

/** Section 1: writing the EEPROM takes at most this long. */
const EEPROM_MS = 50;

const volts = () => v.pipe(v.number(), v.minValue(0), v.maxValue(5.5));

const options = {
  /** A name in `buses.i2c` or a device path. */
  bus: v.optional(v.string(), "main"),
  /** 0x60 to 0x67, by the chip's type and its pin A0. */
  address: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0x60), v.maxValue(0x67)), 0x60),
  /** The chip's supply, which is its reference. Volts. */
  reference: v.optional(v.pipe(v.number(), v.minValue(2.7), v.maxValue(5.5)), 3.3),
  /** The largest value that is accepted. Volts; default: the reference. */
  max: v.optional(volts()),
  /** What the chip puts out from power-up until the node speaks to it. Volts; absent: its EEPROM is never written. */
  power_up: v.optional(volts()),
};

/** An analogue output: a voltage for a valve, a frequency converter, a dimmer. */
export const dac: ActuatorKind<typeof options> = {
  name: "dac",
  description: "An analogue voltage: MCP4725",
  options,
  pins: () => [],
  range: ({ reference, max = reference }) => ({ min: 0, max, unit: "V" }),
  accepts: (value, { reference, max = reference }) =>
    value === "off" || (typeof value === "number" && value >= 0 && value <= max),
  pauseMs: () => EEPROM_MS,
  async open(board, { address, i2cPath, reference, power_up }, initial, { clock }) {
    const device = deviceAt(board.i2c(i2cPath ?? board.defaultI2c), address);
    const set = (value: ActuatorValue) => write(device, codeOf(value, reference));
    await set(initial);
    if (power_up !== undefined && (await remember(device, codeOf(power_up, reference)))) {
      // That moved the output, too, and the chip is deaf until it has written.
      await clock.sleep(EEPROM_MS);
      await set(initial);
    }
    return { set, close: async () => {} };
  },
};

/** V = reference · code / 4096 (section 1, "Output voltage"): the highest code is one step below the reference. */
export function codeOf(value: ActuatorValue, reference: number): number {
  if (typeof value !== "number") return 0;
  return Math.min(STEPS - 1, Math.max(0, Math.round((value / reference) * STEPS)));
}

/** Fast mode (section 6.1.1): touches no EEPROM. Section 6.2: reading gives the DAC register back. */
async function write(device: I2cDevice, code: number): Promise<void> {
  await device.exchange([code >> 8, code & 0xff], 0);
  const [, high = 0, low = 0] = await device.exchange([], 3);
  const found = (high << 4) | (low >> 4);
  if (found !== code) throw new Error(`the DAC holds ${found} instead of ${code}`);
}

/** The EEPROM lasts for a million writes (section 1): it is written where it holds something else, and only then. */
async function remember(device: I2cDevice, powerUp: number): Promise<boolean> {
  const [, , , high = 0, low = 0] = await device.exchange([], 5);
  if ((((high & 0x0f) << 8) | low) === powerUp) return false;
  await device.exchange([WRITE_EEPROM, powerUp >> 4, (powerUp & 0x0f) << 4], 0);
  return true;
}
