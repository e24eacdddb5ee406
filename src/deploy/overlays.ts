import type { SensorConfig } from "../config/config.ts";

/**
 * The parameter of the overlay `i2c-sensor` that makes the kernel find a chip, by the chip's name there. Source: the
 * README of the overlays, raspberrypi/linux, arch/arm/boot/dts/overlays, for what src/sensors/kernel-known.ts knows.
 */
const AT_ANY_ADDRESS = {
  ...same([
    "adt7410",
    "bh1750",
    "bme280",
    "bme680",
    "bmp280",
    "bmp380",
    "bno055",
    "ccs811",
    "ds1621",
    "hdc3020",
  ]),
  ...same(["jc42", "lm75", "mcp980x", "mpu6050", "mpu9250", "ms5637", "ms5803", "ms5805", "ms5837", "sht3x"]),
  ...same(["sht4x", "tmp102"]),
  hdc1000: "hdc100x",
  "ms8607-temppressure": "ms8607",
};

/** Chips that are at one address only; the overlay takes no `addr` for them. */
const AT_ONE_ADDRESS = {
  ...same(["aht10", "aht20", "bmp085", "bmp180", "hts221", "htu21", "sgp30", "shtc3", "si7020", "sps30"]),
  ...same(["tsl4531", "veml6070"]),
};

/** The line of config.txt that makes the kernel find a sensor's chip on the header's bus; undefined: none is known. */
export function overlayFor({ driver, options, address }: SensorConfig): string | undefined {
  const name = options["name"];
  if (driver.bus !== "kernel" || typeof name !== "string") return undefined;
  if (name === "dht11") return "dtoverlay=dht11,gpiopin=4";
  const fixed = lookUp(AT_ONE_ADDRESS, name);
  if (fixed !== undefined) return `dtoverlay=i2c-sensor,${fixed}`;
  const chip = lookUp(AT_ANY_ADDRESS, name);
  if (chip === undefined) return undefined;
  return `dtoverlay=i2c-sensor,${chip}${address === undefined ? "" : `,addr=0x${address.toString(16)}`}`;
}

function same(names: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(names.map((name) => [name, name]));
}

function lookUp(table: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
