import { type AnySensorDriver, fieldsOf } from "../sensors/driver.ts";
import { sensorDriverNames } from "../sensors/registry.ts";
import {
  type CommonSensorSettings,
  commonSensorEntries,
  type SerialWireSettings,
  type SpiWireSettings,
  sensorEntries,
} from "../sensors/settings.ts";
import type { SensorConfig } from "./config.ts";
import { type CustomDrivers, isDriverPath } from "./custom-drivers.ts";
import { describe } from "./explain.ts";
import { type Finding, wrongValue } from "./finding.ts";
import { explainLoosely, isMap, optionsOf, parseItem, type Raw, type Resolved, wrong } from "./item.ts";
import { nearest } from "./nearest.ts";
import { MAIN_BUS, type Sections } from "./sections.ts";
import { checkBus, checkFieldNames, checkKernelFields, checkSpi, checkTimes } from "./sensor-checks.ts";
import type { Path } from "./tree.ts";

export interface SensorContext {
  /** Those that the configuration names, by name. */
  readonly drivers: ReadonlyMap<string, AnySensorDriver>;
  readonly customDrivers: CustomDrivers;
  /** Absent where that block is itself wrong. */
  readonly buses: Sections["buses"] | undefined;
  readonly telemetry: Sections["telemetry"] | undefined;
}

/** Validates one sensor against the common keys together with its driver's. */
export function resolveSensor(item: unknown, path: Path, context: SensorContext): Resolved<SensorConfig> {
  if (!isMap(item)) return wrong([wrongValue(path, `expected a map, found ${describe(item)}`)]);
  const driver = findDriver(item["driver"], context);
  if (driver === undefined || typeof driver === "string") {
    const blame = driver === undefined ? [] : [driverFinding(driver, item, path, context)];
    return wrong([...explainLoosely(commonSensorEntries, item, path), ...blame]);
  }
  try {
    return resolveWith(driver, item, path, context);
  } catch (error) {
    if (!isDriverPath(String(item["driver"]))) throw error;
    return wrong([wrongValue([...path, "driver"], `${item["driver"]} failed: ${(error as Error).message}`)]);
  }
}

function resolveWith(
  driver: AnySensorDriver,
  item: Raw,
  path: Path,
  context: SensorContext,
): Resolved<SensorConfig> {
  const { output, findings, blamed } = parseItem(
    { ...sensorEntries(driver.bus), ...driver.options },
    item,
    path,
  );
  const common = output as Partial<CommonSensorSettings>;
  const { options, optionsFit } = optionsOf(driver.options, output, blamed);
  const interval = common.interval ?? context.telemetry?.interval;
  const names = optionsFit
    ? checkFieldNames(driver.name, Object.keys(fieldsOf(driver, options)), item, path)
    : [];
  const misnamed = new Set(names.map((name) => name.path.join("/")));
  const all = [
    ...findings.filter((finding) => !misnamed.has(finding.path.join("/"))),
    ...names,
    ...checkBus(driver, blamed.has("address") ? { ...item, address: undefined } : item, path, context.buses),
    ...(driver.bus === "spi" ? checkSpi(driver, item, path) : []),
    ...(optionsFit ? checkKernelFields(driver, options, path) : []),
    ...(blamed.has("interval") ? [] : checkTimes(interval, common, item, path)),
  ];
  const pins = optionsFit && driver.bus === "gpio" ? driver.pins(options) : [];
  if (all.length > 0 || interval === undefined) return { findings: all, pins };
  const { id, jitter, filters, report } = common as CommonSensorSettings;
  const place = placeOf(driver, output, context);
  const config = { id, driver, options, ...place, interval, jitter, filters, ...(report ? { report } : {}) };
  return { config, findings: [], pins };
}

/** Where the chip hangs, with what the driver says where the configuration says nothing. */
function placeOf(
  driver: AnySensorDriver,
  output: Raw,
  { buses }: SensorContext,
): Pick<SensorConfig, "bus" | "i2cPath" | "address" | "devicePath" | "mode" | "speedHz"> {
  if (driver.bus === "spi") {
    const { device, mode = driver.modes[0]!, speed_hz = driver.speedHz.default } = output as SpiWireSettings;
    return { devicePath: device, mode, speedHz: speed_hz };
  }
  if (driver.bus === "serial") return { devicePath: (output as SerialWireSettings).device };
  if (driver.bus === "kernel") {
    const { bus = MAIN_BUS, address } = output as Partial<CommonSensorSettings>;
    return address === undefined ? {} : i2cPlace(bus, address, buses);
  }
  if (driver.bus !== "i2c") return {};
  const { bus = MAIN_BUS, address = driver.addresses[0]! } = output as Partial<CommonSensorSettings>;
  return i2cPlace(bus, address, buses);
}

function i2cPlace(bus: string, address: number, buses: Sections["buses"] | undefined) {
  const i2cPath = bus.startsWith("/") ? bus : buses?.i2c[bus]?.device;
  return { bus, address, ...(i2cPath === undefined ? {} : { i2cPath }) };
}

/** The driver, or why there is none. Undefined where the name is no text: the schema says so itself. */
function findDriver(name: unknown, context: SensorContext): AnySensorDriver | string | undefined {
  if (typeof name !== "string" || name === "") return undefined;
  if (isDriverPath(name)) return context.customDrivers.get(name);
  return context.drivers.get(name) ?? `unknown driver "${name}"; "fieldpost drivers" lists them`;
}

function driverFinding(message: string, item: Raw, path: Path, { drivers }: SensorContext): Finding {
  const name = String(item["driver"]);
  return wrongValue(
    [...path, "driver"],
    message,
    isDriverPath(name) ? undefined : nearest(name, [...sensorDriverNames, ...drivers.keys()]),
  );
}
