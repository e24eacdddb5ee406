import * as v from "valibot";
import type { Clock } from "../device/clock.ts";
import type { SpiDevice } from "../device/spi.ts";
import { platinumCelsius } from "./callendar-van-dusen.ts";
import { defineDriver, SensorError } from "./driver.ts";

/** Register addresses (19-6478 rev 3, table 1); a write sets the top bit. */
const CONFIGURATION = 0x00;
const WRITE = 0x80;

/** Bits of the configuration register (table 2). */
const BIAS_ON = 1 << 7;
const ONE_SHOT = 1 << 5;
const THREE_WIRE = 1 << 4;
const CLEAR_FAULTS = 1 << 1;
const FILTER_50_HZ = 1 << 0;

/** Bits of the fault status register (table 7) that stand for a cable; its thresholds are not used. */
const CABLE_FAULTS: readonly (readonly [bit: number, words: string])[] = [
  [1 << 5, "REFIN- too high: the element or a lead is open"],
  [1 << 4, "REFIN- too low: FORCE- is open"],
  [1 << 3, "RTDIN- too low: FORCE- is open"],
  [1 << 2, "over- or undervoltage at a lead"],
];

/** A lead's filter capacitor charges: ten time constants of 100 nF and 4 kΩ, and then some. */
const SETTLE_MS = 10;

/** Longest conversion (electrical characteristics, "Conversion Time", single conversion). */
const CONVERSION_MS = { 50: 66, 60: 55 } as const;

const FULL_SCALE = 32_767;

/** The temperatures of IEC 60751. */
const MIN_CELSIUS = -200;
const MAX_CELSIUS = 850;

const options = {
  /** Nominal resistance of the element at 0 °C. */
  element: v.optional(v.picklist(["pt100", "pt1000"]), "pt100"),
  /** Leads of the element. */
  wires: v.optional(v.picklist([2, 3, 4]), 4),
  /** The board's reference resistor, Ω. Default: 430 for a Pt100, 4300 for a Pt1000. */
  reference: v.optional(v.pipe(v.number(), v.finite(), v.minValue(100), v.maxValue(20_000))),
  /** Mains frequency, Hz, whose hum is filtered out. */
  mains: v.optional(v.picklist([50, 60]), 50),
};

interface Wiring {
  readonly zeroOhms: number;
  readonly referenceOhms: number;
  readonly configuration: number;
  readonly conversionMs: number;
}

export const max31865 = defineDriver({
  name: "max31865",
  chip: "Maxim MAX31865",
  description: "Platinum resistance thermometer, Pt100 or Pt1000",
  datasheet: "19-6478 rev 3",
  bus: "spi",
  modes: [1, 3],
  speedHz: { min: 1_000, default: 1_000_000, max: 5_000_000 },
  fields: { temperature: { unit: "°C", precision: 2, deviceClass: "temperature" } },
  options,
  async open(device, { element, wires, reference, mains }, clock) {
    const zeroOhms = element === "pt100" ? 100 : 1_000;
    const wiring: Wiring = {
      zeroOhms,
      referenceOhms: reference ?? 4.3 * zeroOhms,
      configuration: (wires === 3 ? THREE_WIRE : 0) | (mains === 50 ? FILTER_50_HZ : 0),
      conversionMs: CONVERSION_MS[mains],
    };
    return { read: async () => ({ temperature: await measure(device, wiring, clock) }) };
  },
});

/** One measurement. In between the element carries no current, which would warm it. */
async function measure(device: SpiDevice, wiring: Wiring, clock: Clock): Promise<number> {
  const { configuration, conversionMs } = wiring;
  await configure(device, configuration | BIAS_ON | CLEAR_FAULTS);
  await clock.sleep(SETTLE_MS);
  await configure(device, configuration | BIAS_ON | ONE_SHOT);
  await clock.sleep(conversionMs);
  const [, ...registers] = await device.transfer([CONFIGURATION, 0, 0, 0, 0, 0, 0, 0, 0]);
  await configure(device, configuration);
  return decode(registers, wiring);
}

function configure(device: SpiDevice, value: number): Promise<Uint8Array> {
  return device.transfer([CONFIGURATION | WRITE, value]);
}

/** The temperature from the eight registers after a conversion. */
export function decode(
  registers: readonly number[],
  { zeroOhms, referenceOhms, configuration }: Pick<Wiring, "zeroOhms" | "referenceOhms" | "configuration">,
): number {
  const [found = 0, high = 0, low = 0, , , , , status = 0] = registers;
  checkConfiguration(found, configuration | BIAS_ON);
  const faults = CABLE_FAULTS.filter(([bit]) => (status & bit) !== 0).map(([, words]) => words);
  if (faults.length > 0) throw new SensorError("disconnected", faults.join("; "));
  const code = (high << 7) | (low >> 1);
  if (code === FULL_SCALE) throw new SensorError("disconnected", "the element or a lead is open");
  const ratio = (code * referenceOhms) / 32_768 / zeroOhms;
  const celsius = platinumCelsius(ratio);
  if (celsius >= MIN_CELSIUS - 1 && celsius <= MAX_CELSIUS) return celsius;
  const ohms = (ratio * zeroOhms).toFixed(1);
  throw new SensorError(
    "out_of_range",
    `${ohms} Ω is no temperature of this element: a short, or "element" or "reference" do not fit the board`,
  );
}

/** What the chip was told must still be there, and the end of the conversion with it. */
function checkConfiguration(found: number, expected: number): void {
  if (found === expected) return;
  if (found === 0xff || found === 0) {
    throw new SensorError(
      "disconnected",
      "no MAX31865 answers, or it lost its power: check wiring, power and chip select",
    );
  }
  if (found === (expected | ONE_SHOT)) {
    throw new SensorError("not_ready", "the MAX31865 does not finish its conversion");
  }
  throw new SensorError("wrong_chip", `no MAX31865: its configuration reads 0x${found.toString(16)}`);
}
