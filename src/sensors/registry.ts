import { ads1115 } from "./ads1115.ts";
import { bme280 } from "./bme280.ts";
import { digitalInput } from "./digital-input.ts";
import type { AnySensorDriver } from "./driver.ts";
import { ds18b20 } from "./ds18b20.ts";
import { host } from "./host.ts";
import { pulseCounter } from "./pulse-counter.ts";
import { sht4x } from "./sht4x.ts";

const drivers: readonly AnySensorDriver[] = [
  ads1115,
  bme280,
  sht4x,
  ds18b20,
  digitalInput,
  pulseCounter,
  host,
];

/** Every built-in sensor driver by the name that a configuration uses. */
export const sensorDrivers: ReadonlyMap<string, AnySensorDriver> = new Map(
  drivers.map((driver) => [driver.name, driver]),
);
