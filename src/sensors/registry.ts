import { ads1115 } from "./ads1115.ts";
import { bme280 } from "./bme280.ts";
import type { AnySensorDriver } from "./driver.ts";
import { sht4x } from "./sht4x.ts";

const drivers: readonly AnySensorDriver[] = [ads1115, bme280, sht4x];

/** Every built-in sensor driver by the name that a configuration uses. */
export const sensorDrivers: ReadonlyMap<string, AnySensorDriver> = new Map(
  drivers.map((driver) => [driver.name, driver]),
);
