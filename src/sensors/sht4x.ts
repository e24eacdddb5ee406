import * as v from "valibot";
import type { Clock } from "../device/clock.ts";
import { type I2cDevice, I2cError } from "../device/i2c.ts";
import { crc8Sensirion } from "./crc8.ts";
import { defineDriver, type Measurements, SensorError } from "./driver.ts";

/** Commands (SHT4x datasheet version 6, section 4.5). */
const SOFT_RESET = 0x94;
const READ_SERIAL = 0x89;

/** Measuring commands and their longest duration (sections 3.1 and 4.5). */
const REPEATABILITY = {
  high: { command: 0xfd, maxMs: 8.3 },
  medium: { command: 0xf6, maxMs: 4.5 },
  low: { command: 0xe0, maxMs: 1.6 },
} as const;

/** Longest soft reset (section 3.1); reading the serial number takes no longer. */
const RESET_MS = 1;

/** How often to ask a chip that does not acknowledge a read, which is its way to say that it is busy (section 4.3). */
const READ_ATTEMPTS = 3;
const RETRY_MS = 5;

const options = {
  /** Noise against power: how long the chip integrates. */
  repeatability: v.optional(v.picklist(["high", "medium", "low"]), "high"),
};

export const sht4x = defineDriver({
  name: "sht4x",
  chip: "Sensirion SHT40, SHT41, SHT43, SHT45",
  description: "Temperature and humidity",
  datasheet: "Sensirion Datasheet SHT4x, version 6",
  bus: "i2c",
  addresses: [0x44, 0x45, 0x46],
  fields: {
    temperature: { unit: "°C", precision: 2, deviceClass: "temperature" },
    humidity: { unit: "%", precision: 2, deviceClass: "humidity" },
  },
  options,
  async open(device, { repeatability }, clock) {
    await device.exchange([SOFT_RESET], 0);
    await clock.sleep(RESET_MS);
    // The chip has no identity register; a serial number with a right checksum shows that it is there and well.
    await command(device, READ_SERIAL, RESET_MS, clock);
    const { command: measure, maxMs } = REPEATABILITY[repeatability];
    return {
      read: async () => decode(await command(device, measure, maxMs, clock)),
    };
  },
});

/** Sends a command, gives the chip its time and returns the two words of the answer. */
async function command(device: I2cDevice, code: number, maxMs: number, clock: Clock): Promise<Words> {
  await device.exchange([code], 0);
  await clock.sleep(maxMs);
  return checkedWords(await readWhenReady(device, clock));
}

async function readWhenReady(device: I2cDevice, clock: Clock): Promise<Uint8Array> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await device.exchange([], 6);
    } catch (error) {
      if (!(error instanceof I2cError && error.fault === "absent")) throw error;
      if (attempt < READ_ATTEMPTS) await clock.sleep(RETRY_MS);
      else throw new SensorError("not_ready", "the SHT4x took a command but has no answer", { cause: error });
    }
  }
}

type Words = readonly [first: number, second: number];

/** The two 16-bit words of an answer, each followed by its checksum (section 4.4). Rejects where one is wrong. */
export function checkedWords(bytes: Uint8Array): Words {
  return [checkedWord(bytes.subarray(0, 3)), checkedWord(bytes.subarray(3, 6))];
}

function checkedWord(bytes: Uint8Array): number {
  const [high = 0, low = 0, crc = 0] = bytes;
  const expected = crc8Sensirion([high, low]);
  if (crc === expected) return (high << 8) | low;
  throw new SensorError("crc", `checksum 0x${crc.toString(16)}, expected 0x${expected.toString(16)}`);
}

/**
 * Physical values of the two words (section 4.6). Near saturation the formula passes 0 and 100 %, which the datasheet
 * advises to crop.
 */
export function decode([temperature, humidity]: Words): Measurements {
  return {
    temperature: -45 + (175 * temperature) / 65_535,
    humidity: Math.min(100, Math.max(0, -6 + (125 * humidity) / 65_535)),
  };
}
