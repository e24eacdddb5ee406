import type { AnySensorDriver } from "./driver.ts";

/** Each driver is a part of its own: a node loads those that its configuration names. */
const builtIn: Readonly<Record<string, () => Promise<AnySensorDriver>>> = {
  ads1115: async () => (await import("./ads1115.ts")).ads1115,
  bme280: async () => (await import("./bme280.ts")).bme280,
  sht4x: async () => (await import("./sht4x.ts")).sht4x,
  mcp3008: async () => (await import("./mcp3008.ts")).mcp3008,
  max31855: async () => (await import("./max31855.ts")).max31855,
  max31865: async () => (await import("./max31865.ts")).max31865,
  pms5003: async () => (await import("./pms5003.ts")).pms5003,
  mh_z19: async () => (await import("./mh-z19.ts")).mhZ19,
  ds18b20: async () => (await import("./ds18b20.ts")).ds18b20,
  iio: async () => (await import("./iio.ts")).iio,
  hwmon: async () => (await import("./hwmon.ts")).hwmon,
  digital_input: async () => (await import("./digital-input.ts")).digitalInput,
  pulse_counter: async () => (await import("./pulse-counter.ts")).pulseCounter,
  host: async () => (await import("./host.ts")).host,
};

/** What a configuration may call a sensor's driver. */
export const sensorDriverNames: readonly string[] = Object.keys(builtIn);

/** The drivers of these names, by name; a name that is none is left out. */
export async function loadSensorDrivers(
  names: Iterable<string> = sensorDriverNames,
): Promise<ReadonlyMap<string, AnySensorDriver>> {
  const known = [...new Set(names)].filter((name) => Object.hasOwn(builtIn, name));
  return new Map(await Promise.all(known.map(async (name) => [name, await builtIn[name]!()] as const)));
}
