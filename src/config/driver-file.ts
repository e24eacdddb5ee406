import type { AnySensorDriver } from "../sensors/driver.ts";
import { sensorEntries } from "../sensors/settings.ts";
import type { ImportDriver } from "./custom-drivers.ts";

/** A driver of the user's own, or a text that says why its file cannot be used. */
export async function loadDriverFile(
  name: string,
  path: string,
  importDriver: ImportDriver,
): Promise<AnySensorDriver | string> {
  try {
    const module = (await importDriver(path)) as { default?: unknown } | null;
    const fault = driverFault(module?.default);
    return fault === undefined
      ? (module?.default as AnySensorDriver)
      : `${name} exports no sensor driver: ${fault}`;
  } catch (error) {
    return `cannot load ${name}: ${error instanceof Error ? error.message.split("\n", 1)[0] : String(error)}`;
  }
}

/** What keeps a module's default export from being a sensor driver; undefined where it is one. */
function driverFault(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null) return "its default export is not a driver record";
  const driver = value as Readonly<Record<string, unknown>>;
  if (typeof driver["name"] !== "string" || driver["name"] === "") return "name must be text";
  const bus = String(driver["bus"]);
  if (!["i2c", "spi", "serial", "one_wire", "gpio", "host"].includes(bus)) {
    return "bus must be i2c, spi, serial, one_wire, gpio or host";
  }
  if (typeof driver["open"] !== "function") return "open must be a function";
  if (driver["bus"] === "gpio" && typeof driver["pins"] !== "function") return "pins must be a function";
  if (driver["bus"] === "i2c" && !isAddressList(driver["addresses"])) {
    return "addresses must be a list of 7-bit addresses, the default first";
  }
  if (bus === "spi" && !(isModeList(driver["modes"]) && isSpeedRange(driver["speedHz"]))) {
    return "modes must be a list of SPI modes, the default first, and speedHz be { min, default, max }";
  }
  if (bus === "serial" && !isPositive(driver["baudRate"])) return "baudRate must be a number";
  if (typeof driver["fields"] !== "function" && !isRecord(driver["fields"])) return "fields must be a record";
  return optionsFault(driver["options"], sensorEntries(bus));
}

function optionsFault(options: unknown, taken: object): string | undefined {
  if (!isRecord(options)) return "options must be a record of valibot schemas ({} for none)";
  for (const [key, schema] of Object.entries(options)) {
    if (!isRecord(schema) || typeof schema["~run"] !== "function")
      return `options.${key} must be a valibot schema`;
    if (key in taken) return `options.${key} is a key that every sensor of its kind has already`;
  }
  return undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isModeList(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && value.every((mode) => [0, 1, 2, 3].includes(mode));
}

function isSpeedRange(value: unknown): boolean {
  return isRecord(value) && ["min", "default", "max"].every((key) => isPositive(value[key]));
}

function isPositive(value: unknown): boolean {
  return typeof value === "number" && value > 0;
}

function isAddressList(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((address) => Number.isInteger(address) && address >= 0 && address < 128)
  );
}
