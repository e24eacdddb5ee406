import * as v from "valibot";
import type { Clock } from "../device/clock.ts";
import type { I2cDevice } from "../device/i2c.ts";
import {
  type Calibration,
  celsius,
  decodeCalibration,
  fineTemperature,
  pascal,
  percentHumidity,
  type RawMeasurement,
} from "./bme280-compensation.ts";
import { defineDriver, type Measurements, type Options, SensorError } from "./driver.ts";
import { pollUntil } from "./poll.ts";

/** Registers (BST-BME280-DS002 revision 1.6, table 18). */
const CALIBRATION_LOW = 0x88;
const ID = 0xd0;
const RESET = 0xe0;
const CALIBRATION_HIGH = 0xe1;
const CTRL_HUM = 0xf2;
const STATUS = 0xf3;
const CTRL_MEAS = 0xf4;
const CONFIG = 0xf5;
const DATA = 0xf7;

const RESET_WORD = 0xb6;
const MEASURING = 1 << 3;
const IM_UPDATE = 1 << 0;
const FORCED = 0b01;

/** Start-up time after reset (table 1). */
const STARTUP_MS = 2;

const BME280_ID = 0x60;

/** Ids of other chips at the same addresses. */
const OTHER_CHIPS: ReadonlyMap<number, string> = new Map([
  [0x55, "a BMP180, which has no humidity sensor"],
  [0x56, "a BMP280 sample, which has no humidity sensor"],
  [0x57, "a BMP280 sample, which has no humidity sensor"],
  [0x58, "a BMP280, which has no humidity sensor"],
  [0x61, "a BME680 or BME688"],
]);

/** Register codes are places in these lists (sections 5.4.3, 5.4.5 and 5.4.6). */
const OVERSAMPLINGS = [0, 1, 2, 4, 8, 16] as const;
const IIR_COEFFICIENTS = [0, 2, 4, 8, 16] as const;

const options = {
  /** Conversions averaged into one measurement, for each of the three quantities. */
  oversampling: v.optional(v.picklist([1, 2, 4, 8, 16]), 1),
  /** Coefficient of the low-pass filter over measurements of temperature and pressure; 0: off. */
  iir_filter: v.optional(v.picklist(IIR_COEFFICIENTS), 0),
};

export const bme280 = defineDriver({
  name: "bme280",
  chip: "Bosch BME280",
  description: "Temperature, humidity and air pressure",
  datasheet: "BST-BME280-DS002-15, revision 1.6",
  bus: "i2c",
  addresses: [0x76, 0x77],
  fields: {
    temperature: { unit: "°C", precision: 2, deviceClass: "temperature" },
    humidity: { unit: "%", precision: 2, deviceClass: "humidity" },
    pressure: { unit: "hPa", precision: 2, deviceClass: "atmospheric_pressure" },
  },
  options,
  async open(device, options, clock) {
    await identify(device);
    await reset(device, clock);
    const calibration = decodeCalibration(
      await device.exchange([CALIBRATION_LOW], 26),
      await device.exchange([CALIBRATION_HIGH], 7),
    );
    return {
      async read() {
        await measure(device, options, clock);
        const bytes = await device.exchange([DATA], 8);
        const raw = rawOf(bytes);
        // About 26 °C or a middling humidity may read like that as well.
        const measured = looksSkipped(raw) && (await measuresAll(device, options));
        return compensate(measured ? raw : decode(bytes), calibration);
      },
    };
  },
});

async function identify(device: I2cDevice): Promise<void> {
  const [id = 0] = await device.exchange([ID], 1);
  if (id === BME280_ID) return;
  const found = OTHER_CHIPS.get(id) ?? "an unknown chip";
  throw new SensorError("wrong_chip", `expected a BME280 (id 0x60), found id 0x${id.toString(16)}: ${found}`);
}

async function reset(device: I2cDevice, clock: Clock): Promise<void> {
  await device.exchange([RESET, RESET_WORD], 0);
  await clock.sleep(STARTUP_MS);
  await pollUntil(async () => ((await status(device)) & IM_UPDATE) === 0, {
    what: "the BME280 does not finish loading its calibration",
    clock,
    everyMs: STARTUP_MS,
    attempts: 5,
  });
}

/** Runs one conversion in forced mode (section 3.3.3). Sets everything anew, so that a brown-out leaves no trace. */
async function measure(
  device: I2cDevice,
  { oversampling, iir_filter }: Options<typeof options>,
  clock: Clock,
): Promise<void> {
  const osrs = OVERSAMPLINGS.indexOf(oversampling);
  const filter = IIR_COEFFICIENTS.indexOf(iir_filter);
  await device.exchange([CONFIG, filter << 2], 0);
  // The oversampling of humidity takes effect with the write to ctrl_meas after it (section 5.4.3).
  await device.exchange([CTRL_HUM, osrs], 0);
  await device.exchange([CTRL_MEAS, (osrs << 5) | (osrs << 2) | FORCED], 0);
  await clock.sleep(maxConversionMs(oversampling));
  await pollUntil(async () => ((await status(device)) & MEASURING) === 0, {
    what: "the BME280 does not finish its measurement",
    clock,
    everyMs: 5,
    attempts: 10,
  });
}

async function status(device: I2cDevice): Promise<number> {
  const [bits = 0xff] = await device.exchange([STATUS], 1);
  return bits;
}

/** Longest time of a measurement of all three quantities, milliseconds (section 9.1). */
export function maxConversionMs(oversampling: number): number {
  return 1.25 + 2.3 * oversampling + 2 * (2.3 * oversampling + 0.575);
}

/** Whether the chip still has the settings of {@link measure}: a reset leaves every channel skipped (section 5.3). */
async function measuresAll(device: I2cDevice, { oversampling }: Options<typeof options>): Promise<boolean> {
  const osrs = OVERSAMPLINGS.indexOf(oversampling);
  const [humidity = 0] = await device.exchange([CTRL_HUM], 1);
  const [others = 0] = await device.exchange([CTRL_MEAS], 1);
  return (humidity & 0b111) === osrs && others >> 2 === ((osrs << 3) | osrs);
}

/** The burst 0xf7..0xfe. Rejects the values that skipped channels have (sections 5.4.7 to 5.4.9). */
export function decode(bytes: Uint8Array): RawMeasurement {
  const raw = rawOf(bytes);
  if (looksSkipped(raw)) {
    throw new SensorError(
      "power_on_value",
      "the BME280 answered with the reset values of its data registers",
    );
  }
  return raw;
}

function rawOf(bytes: Uint8Array): RawMeasurement {
  const [p0 = 0, p1 = 0, p2 = 0, t0 = 0, t1 = 0, t2 = 0, h0 = 0, h1 = 0] = bytes;
  return {
    pressure: (p0 << 12) | (p1 << 4) | (p2 >> 4),
    temperature: (t0 << 12) | (t1 << 4) | (t2 >> 4),
    humidity: (h0 << 8) | h1,
  };
}

function looksSkipped({ pressure, temperature, humidity }: RawMeasurement): boolean {
  return pressure === 0x80000 || temperature === 0x80000 || humidity === 0x8000;
}

/** Physical values from converter readings. Rejects what lies outside the operating range (section 1.1). */
export function compensate(raw: RawMeasurement, calibration: Calibration): Measurements {
  const fine = fineTemperature(raw.temperature, calibration);
  return {
    temperature: within(celsius(fine), -40, 85, "°C"),
    humidity: percentHumidity(raw.humidity, fine, calibration),
    pressure: within(pascal(raw.pressure, fine, calibration) / 100, 300, 1_100, "hPa"),
  };
}

function within(value: number, lowest: number, highest: number, unit: string): number {
  if (value >= lowest && value <= highest) return value;
  throw new SensorError(
    "out_of_range",
    `${value.toFixed(2)} ${unit} is outside ${lowest}..${highest} ${unit}`,
  );
}
