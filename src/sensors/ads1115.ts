import * as v from "valibot";
import type { Clock } from "../device/clock.ts";
import type { I2cDevice } from "../device/i2c.ts";
import { settings } from "../schema/settings.ts";
import { channelEntries, decimalsOf, namesDiffer } from "./analogue-channel.ts";
import { defineDriver, type Field, SensorError } from "./driver.ts";
import { pollUntil } from "./poll.ts";

/** Registers (SBAS444, section "Register Map"). */
const CONVERSION = 0;
const CONFIG = 1;

/** Fields of the config register, in their places. */
const START_OR_IDLE = 1 << 15;
const SINGLE_SHOT = 1 << 8;
const COMPARATOR_OFF = 0b11;

/** MUX[2:0]: the input pair by its code. */
const INPUTS = ["a0-a1", "a0-a3", "a1-a3", "a2-a3", "a0", "a1", "a2", "a3"] as const;

/** PGA[2:0]: full scale in volts by its code. */
const RANGES = [6.144, 4.096, 2.048, 1.024, 0.512, 0.256] as const;

/** DR[2:0]: samples per second by its code. */
const DATA_RATES = [8, 16, 32, 64, 128, 250, 475, 860] as const;

/** The data rate varies by up to 10 % (electrical characteristics), and waking up takes 30 µs. */
const RATE_TOLERANCE = 1.1;
const WAKE_UP_MS = 0.03;

const channel = settings({
  ...channelEntries,
  /** A pin against ground, or the difference of two. */
  input: v.picklist(INPUTS),
  /** Full scale, ± volts. A pin must stay between ground and the supply whatever the range. */
  range: v.optional(v.picklist(RANGES), 4.096),
});

export type Channel = v.InferOutput<typeof channel>;

const options = {
  /** What to measure, one field each. */
  channels: v.optional(
    v.pipe(
      v.array(channel),
      v.minLength(1),
      v.check((channels) => namesDiffer(channels), "two channels have the same name"),
    ),
    [{ name: "voltage", input: "a0" }],
  ),
  /** Samples per second: slower is quieter. */
  data_rate: v.optional(v.picklist(DATA_RATES), 128),
};

export const ads1115 = defineDriver({
  name: "ads1115",
  chip: "Texas Instruments ADS1115",
  description: "Four analogue inputs, 16 bits",
  datasheet: "SBAS444, ADS111x",
  bus: "i2c",
  addresses: [0x48, 0x49, 0x4a, 0x4b],
  fields: ({ channels }) => Object.fromEntries(channels.map((channel) => [channel.name, fieldOf(channel)])),
  options,
  async open(device, { channels, data_rate }, clock) {
    await identify(device);
    return {
      async read() {
        const measurements: Record<string, number> = {};
        for (const channel of channels) {
          const code = await convert(device, channel, data_rate, clock);
          measurements[channel.name] = volts(code, channel) * channel.scale + channel.offset;
        }
        return measurements;
      },
    };
  },
});

/**
 * The chip has no identity register. Its config register keeps what is written to it, which a chip of another kind at
 * the same address (a thermometer such as the TMP102) does not.
 */
async function identify(device: I2cDevice): Promise<void> {
  const probe = configWord({ input: "a0", range: 6.144 }, 8) & ~START_OR_IDLE;
  await writeConfig(device, probe);
  const answer = await readWord(device, CONFIG);
  if ((answer & ~START_OR_IDLE) === probe) return;
  throw new SensorError(
    "wrong_chip",
    `no ADS1115: its config register took 0x${probe.toString(16)} and gave 0x${answer.toString(16)}`,
  );
}

/** One single-shot conversion: the code in the conversion register, and only that of this conversion. */
async function convert(
  device: I2cDevice,
  channel: Channel,
  dataRate: DataRate,
  clock: Clock,
): Promise<number> {
  const config = configWord(channel, dataRate);
  const conversionMs = (1_000 / dataRate) * RATE_TOLERANCE + WAKE_UP_MS;
  await writeConfig(device, config);
  await clock.sleep(conversionMs);
  await pollUntil(async () => isDone(await readWord(device, CONFIG), config), {
    what: `the ADS1115 does not finish its conversion of ${channel.input}`,
    clock,
    everyMs: Math.max(1, conversionMs / 4),
    attempts: 8,
  });
  return ((await readWord(device, CONVERSION)) << 16) >> 16;
}

/** Whether the config register shows the end of the conversion that `config` began. */
function isDone(answer: number, config: number): boolean {
  if ((answer & ~START_OR_IDLE) === (config & ~START_OR_IDLE)) return (answer & START_OR_IDLE) !== 0;
  throw new SensorError("power_on_value", "the ADS1115 lost its configuration during a conversion");
}

type DataRate = (typeof DATA_RATES)[number];

/** The config register that starts a conversion (section "Config Register"). */
export function configWord({ input, range }: Pick<Channel, "input" | "range">, dataRate: DataRate): number {
  return (
    START_OR_IDLE |
    (INPUTS.indexOf(input) << 12) |
    (RANGES.indexOf(range) << 9) |
    SINGLE_SHOT |
    (DATA_RATES.indexOf(dataRate) << 5) |
    COMPARATOR_OFF
  );
}

/** Volts of a signed code. The codes at both ends stand for everything beyond them: the converter clips. */
export function volts(
  code: number,
  { name, input, range }: Pick<Channel, "name" | "input" | "range">,
): number {
  if (code === 32_767 || code === -32_768) {
    throw new SensorError("out_of_range", `${name}: input ${input} is beyond its range of ±${range} V`);
  }
  return (code * range) / 32_768;
}

function fieldOf({ range, scale, unit }: Channel): Field {
  const precision = decimalsOf(range / 32_768, scale);
  return unit === "V" ? { unit, precision, deviceClass: "voltage" } : { unit, precision };
}

function writeConfig(device: I2cDevice, word: number): Promise<Uint8Array> {
  return device.exchange([CONFIG, word >> 8, word & 0xff], 0);
}

async function readWord(device: I2cDevice, register: number): Promise<number> {
  const [high = 0, low = 0] = await device.exchange([register], 2);
  return (high << 8) | low;
}
