import * as v from "valibot";
import type { Pin } from "../device/gpio.ts";
import { settings } from "../schema/settings.ts";
import { type AnySensorDriver, fieldsOf } from "../sensors/driver.ts";
import { type CommonSensorSettings, commonSensorEntries } from "../sensors/settings.ts";
import type { SensorConfig } from "./config.ts";
import { type CustomDrivers, isDriverPath } from "./custom-drivers.ts";
import { defaultWords, describe, explainIssues } from "./explain.ts";
import { type Finding, wrongValue } from "./finding.ts";
import { nearest } from "./nearest.ts";
import type { Sections } from "./sections.ts";
import { checkBus, checkFieldNames, checkTimes } from "./sensor-checks.ts";
import type { Path } from "./tree.ts";

/** The board's own bus, whether or not `buses` says anything of it. */
export const MAIN_BUS = "main";

export interface SensorContext {
  readonly drivers: ReadonlyMap<string, AnySensorDriver>;
  readonly customDrivers: CustomDrivers;
  /** Absent where that block is itself wrong. */
  readonly buses: Sections["buses"] | undefined;
  readonly telemetry: Sections["telemetry"] | undefined;
}

/** One item of `sensors` or `actuators`, as far as it could be understood. */
export interface Resolved<T> {
  readonly config?: T;
  readonly findings: readonly Finding[];
  /** The lines it takes; none where its options are wrong. */
  readonly pins: readonly Pin[];
}

export type Raw = Readonly<Record<string, unknown>>;

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
  const { output, findings, blamed } = parseItem({ ...commonSensorEntries, ...driver.options }, item, path);
  const common = output as Partial<CommonSensorSettings>;
  const { options, optionsFit } = optionsOf(driver.options, output, blamed);
  const interval = common.interval ?? context.telemetry?.interval;
  const names = optionsFit
    ? checkFieldNames(driver.name, Object.keys(fieldsOf(driver, options)), item, path)
    : [];
  const all = [
    ...findings.filter((finding) => !names.some((name) => samePath(name.path, finding.path))),
    ...names,
    ...checkBus(driver, blamed.has("address") ? { ...item, address: undefined } : item, path, context.buses),
    ...(blamed.has("interval") ? [] : checkTimes(interval, common, item, path)),
  ];
  const pins = optionsFit && driver.bus === "gpio" ? driver.pins(options) : [];
  if (all.length > 0 || interval === undefined) return { findings: all, pins };
  const { id, jitter, filters, report } = common as CommonSensorSettings;
  const place = driver.bus === "i2c" ? placeOf(driver.addresses[0]!, common, context) : {};
  const config = { id, driver, options, ...place, interval, jitter, filters, ...(report ? { report } : {}) };
  return { config, findings: [], pins };
}

function placeOf(
  defaultAddress: number,
  { bus = MAIN_BUS, address = defaultAddress }: Partial<CommonSensorSettings>,
  { buses }: SensorContext,
): Pick<SensorConfig, "bus" | "i2cPath" | "address"> {
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
    isDriverPath(name) ? undefined : nearest(name, drivers.keys()),
  );
}

/** Parses an item; says what is wrong, and which of its keys are to blame. */
export function parseItem(entries: v.ObjectEntries, item: Raw, path: Path) {
  const result = v.safeParse(settings(entries), item, defaultWords);
  const findings = explainIssues(result.issues ?? [], path);
  const blamed = new Set(findings.map((finding) => finding.path[path.length]));
  return { output: result.output as Raw, findings, blamed };
}

/** Findings for the common keys alone, where the driver, and so the meaning of the other keys, is not known. */
export function explainLoosely(entries: v.ObjectEntries, item: Raw, path: Path): Finding[] {
  return explainIssues(v.safeParse(v.object(entries), item, defaultWords).issues ?? [], path);
}

/** The part of a parsed item that belongs to its driver or kind, and whether all of it was right. */
export function optionsOf(
  entries: v.ObjectEntries,
  output: Raw,
  blamed: ReadonlySet<string | number | undefined>,
) {
  const keys = Object.keys(entries);
  const options: Raw = Object.fromEntries(
    keys.filter((key) => output[key] !== undefined).map((key) => [key, output[key]]),
  );
  return { options, optionsFit: !keys.some((key) => blamed.has(key)) };
}

export function isMap(value: unknown): value is Raw {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function wrong<T>(findings: readonly Finding[]): Resolved<T> {
  return { findings, pins: [] };
}

function samePath(a: Path, b: Path): boolean {
  return a.length === b.length && a.every((key, index) => key === b[index]);
}
