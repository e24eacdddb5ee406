import * as v from "valibot";
import type { SpiDevice } from "../device/spi.ts";
import { settings } from "../schema/settings.ts";
import { channelEntries, decimalsOf, namesDiffer } from "./analogue-channel.ts";
import { defineDriver, SensorError } from "./driver.ts";

/** SGL/DIFF, D2, D1, D0: the input or pair by its code (DS21295D, table 5-2). */
const INPUTS = [
  "ch0-ch1",
  "ch1-ch0",
  "ch2-ch3",
  "ch3-ch2",
  "ch4-ch5",
  "ch5-ch4",
  "ch6-ch7",
  "ch7-ch6",
  "ch0",
  "ch1",
  "ch2",
  "ch3",
  "ch4",
  "ch5",
  "ch6",
  "ch7",
] as const;

const START = 0x01;

/** Steps of the converter (section 4.2). */
const STEPS = 1_024;

const options = {
  /** What to measure, one field each. */
  channels: v.optional(
    v.pipe(
      v.array(
        settings({
          ...channelEntries,
          /** A pin against ground, or the difference of two. */ input: v.picklist(INPUTS),
        }),
      ),
      v.minLength(1),
      v.check((channels) => namesDiffer(channels), "two channels have the same name"),
    ),
    [{ name: "voltage", input: "ch0" }],
  ),
  /** Volts at the pin VREF. */
  reference: v.optional(v.pipe(v.number(), v.finite(), v.minValue(0.25), v.maxValue(5.5)), 3.3),
};

export const mcp3008 = defineDriver({
  name: "mcp3008",
  chip: "Microchip MCP3008",
  description: "Eight analogue inputs, 10 bits",
  datasheet: "DS21295D",
  bus: "spi",
  modes: [0, 3],
  // At 2.7 V the chip takes 1.35 MHz (electrical characteristics); slower than 10 kHz its sample leaks away.
  speedHz: { min: 10_000, default: 1_000_000, max: 3_600_000 },
  fields: ({ channels, reference }) =>
    Object.fromEntries(
      channels.map(({ name, scale, unit }) => {
        const precision = decimalsOf(reference / STEPS, scale);
        return [name, unit === "V" ? { unit, precision, deviceClass: "voltage" } : { unit, precision }];
      }),
    ),
  options,
  async open(device, { channels, reference }) {
    return {
      async read() {
        const measurements: Record<string, number> = {};
        for (const { name, input, scale, offset } of channels) {
          const volts = ((await convert(device, input)) * reference) / STEPS;
          measurements[name] = volts * scale + offset;
        }
        return measurements;
      },
    };
  },
});

/** One conversion. The null bit in front of the ten is the only sign that a chip is there (figure 6-1). */
async function convert(device: SpiDevice, input: (typeof INPUTS)[number]): Promise<number> {
  const [, high = 0xff, low = 0xff] = await device.transfer([START, INPUTS.indexOf(input) << 4, 0]);
  if ((high & 0b100) !== 0) {
    throw new SensorError("disconnected", "no MCP3008 answers: check wiring, power and chip select");
  }
  return ((high & 0b11) << 8) | low;
}
