import type { Subsystem } from "../device/kernel-chips.ts";

type Channels = Readonly<Record<string, string>>;

/** Channels by the field that each becomes. */
const CLIMATE = { temperature: "in_temp", humidity: "in_humidityrelative" };
const BAROMETER = { temperature: "in_temp", pressure: "in_pressure" };
const LIGHT = { illuminance: "in_illuminance" };
const GAS = { carbon_dioxide: "in_concentration_co2" };
const axes = (field: string, type: string) =>
  Object.fromEntries(["x", "y", "z"].map((axis) => [`${field}_${axis}`, `in_${type}_${axis}`]));
const MOTION = { ...axes("acceleration", "accel"), ...axes("angular_rate", "anglvel") };
const COMPASS = axes("magnetic_field", "magn");
const THERMOMETER = { temperature: "temp1" };
const HYGROMETER = { temperature: "temp1", humidity: "humidity1" };

/**
 * What the kernel's drivers tell of these chips, by the name that the device tree or `new_device` gives them. Sources:
 * Linux 6.12, drivers/iio and drivers/hwmon.
 */
const KNOWN: Readonly<Record<Subsystem, Readonly<Record<string, Channels>>>> = {
  iio: {
    bme280: { ...CLIMATE, pressure: "in_pressure" },
    bme680: { ...CLIMATE, pressure: "in_pressure", resistance: "in_resistance" },
    ...same(BAROMETER, ["bmp085", "bmp180", "bmp280", "bmp380", "bmp580"]),
    ...same(BAROMETER, ["ms5637", "ms5803", "ms5805", "ms5837", "ms5611", "ms5607", "ms8607-temppressure"]),
    "ms8607-humidity": { humidity: "in_humidityrelative" },
    ...same(CLIMATE, ["si7020", "htu21", "hdc1000", "hdc1008", "hdc1010", "hdc1050", "hdc1080"]),
    ...same(CLIMATE, ["hdc100x", "hdc3020", "am2315", "hts221"]),
    dht11: CLIMATE,
    ...same(LIGHT, ["bh1750", "tsl4531", "opt3001", "veml6030", "max44000"]),
    ...same({ illuminance: "in_illuminance0" }, ["tsl2563", "isl29018"]),
    veml6070: { intensity: "in_intensity_uv", uv_index: "in_uvindex" },
    ...same({ ...GAS, volatile_organics: "in_concentration_voc" }, ["ccs811", "sgp30"]),
    scd30: { ...GAS, ...CLIMATE },
    scd4x: { ...GAS, ...CLIMATE },
    sps30: {
      pm1: "in_massconcentration_pm1",
      pm2_5: "in_massconcentration_pm2p5",
      pm4: "in_massconcentration_pm4",
      pm10: "in_massconcentration_pm10",
    },
    mpu6050: { ...MOTION, temperature: "in_temp" },
    mpu9250: { ...MOTION, ...COMPASS, temperature: "in_temp" },
    bno055: { ...MOTION, ...COMPASS, temperature: "in_temp" },
    vl53l0x: { distance: "in_distance" },
    // By what the MAX31855's and MAX6675's driver calls itself; `in_temp_ambient` is the cold junction. Not here: max31865,
    // whose driver gives no offset for a temperature that is 256 °C too high.
    maxim_thermocouple: { temperature: "in_temp" },
    ...same({ temperature: "in_temp_object" }, ["tmp007", "mlx90614"]),
    ...same({ temperature: "in_temp" }, ["tmp006", "tmp117", "tsys01", "tsys02d"]),
  },
  hwmon: {
    ...same(THERMOMETER, [
      "lm75",
      "lm75a",
      "tmp75",
      "tmp75b",
      "tmp75c",
      "tmp175",
      "tmp275",
      "tmp102",
      "tmp112",
    ]),
    ...same(THERMOMETER, ["ds75", "ds1621", "ds1631", "ds1775", "stds75", "mcp980x", "g751", "max6625"]),
    ...same(THERMOMETER, ["adt7410", "adt7420", "jc42", "mcp9808", "mcp9805", "tmp108"]),
    ...same(HYGROMETER, [
      "sht3x",
      "sts3x",
      "sht4x",
      "sht21",
      "shtc1",
      "shtw1",
      "shtc3",
      "aht10",
      "aht20",
      "hih6130",
    ]),
    ...same({ voltage: "in1", current: "curr1", power: "power1" }, ["ina219", "ina220", "ina226", "ina260"]),
  },
};

function same(channels: Channels, names: readonly string[]): Readonly<Record<string, Channels>> {
  return Object.fromEntries(names.map((name) => [name, channels]));
}

/** The chips whose channels are known. */
export function knownChips(subsystem: Subsystem): readonly string[] {
  return Object.keys(KNOWN[subsystem]).sort();
}

/** The channels of a chip by field; none where it is not known. `dht11@4` is a `dht11` with its place. */
export function knownChannels(subsystem: Subsystem, name = ""): Channels {
  const table = KNOWN[subsystem];
  const [kind = ""] = name.split("@");
  return Object.hasOwn(table, kind) ? table[kind]! : {};
}
