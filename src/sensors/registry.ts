import type { AnySensorDriver } from "./driver.ts";

const drivers: readonly AnySensorDriver[] = [];

/** Every built-in sensor driver by the name that a configuration uses. */
export const sensorDrivers: ReadonlyMap<string, AnySensorDriver> = new Map(
  drivers.map((driver) => [driver.name, driver]),
);
