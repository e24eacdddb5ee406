import { formatAddress } from "../device/i2c.ts";
import type { SpiMode } from "../device/spi.ts";
import { formatDurationMs } from "../schema/duration.ts";
import type { AnySensorDriver, SpiDriver } from "../sensors/driver.ts";
import { filterKinds } from "../sensors/filter-kinds.ts";
import type { CommonSensorSettings } from "../sensors/settings.ts";
import { type Finding, wrongKey, wrongValue } from "./finding.ts";
import { isMap, type Raw } from "./item.ts";
import { nearest } from "./nearest.ts";
import { MAIN_BUS, type Sections } from "./sections.ts";
import type { Path } from "./tree.ts";

/** `bus` and `address` fit the driver, and the bus is there. */
export function checkBus(
  driver: AnySensorDriver,
  { bus, address }: Raw,
  path: Path,
  buses: Sections["buses"] | undefined,
): Finding[] {
  if (driver.bus === "kernel") return checkBusName(bus, path, buses);
  if (driver.bus !== "i2c") {
    return ["bus", "address"]
      .filter((_, index) => [bus, address][index] !== undefined)
      .map((key) =>
        wrongKey([...path, key], `${key} has no meaning for ${driver.name}: it is not on an I2C bus`),
      );
  }
  const findings = checkBusName(bus, path, buses);
  if (typeof address === "number" && !driver.addresses.includes(address)) {
    const possible = inWords(driver.addresses.map(formatAddress));
    findings.push(
      wrongValue(
        [...path, "address"],
        `${driver.name} cannot have ${formatAddress(address)}, only ${possible}`,
      ),
    );
  }
  return findings;
}

/** A kernel driver's chip has fields: those that are known of it, or those that the configuration names. */
export function checkKernelFields(driver: AnySensorDriver, options: Raw, path: Path): Finding[] {
  if (driver.bus !== "kernel" || Object.keys(driver.channels(options)).length > 0) return [];
  const { name } = options;
  if (typeof name !== "string")
    return [
      wrongKey(
        [...path, "driver"],
        `${driver.name} needs the chip's name, as in name: bme280, or its fields`,
      ),
    ];
  return [
    wrongValue(
      [...path, "name"],
      `it is not known what "${name}" measures: list its channels under fields`,
      nearest(name, driver.knownNames),
    ),
  ];
}

/** A bus that is named is there. */
export function checkBusName(bus: unknown, path: Path, buses: Sections["buses"] | undefined): Finding[] {
  const busNames = buses && [MAIN_BUS, ...Object.keys(buses.i2c)];
  if (!busNames || typeof bus !== "string" || bus === "" || bus.startsWith("/") || busNames.includes(bus))
    return [];
  return [wrongValue([...path, "bus"], `buses.i2c has no "${bus}"`, nearest(bus, busNames))];
}

/** The chip understands the mode, and the clock is one that it can follow. */
export function checkSpi(
  { name, modes, speedHz }: SpiDriver,
  { mode, speed_hz }: Raw,
  path: Path,
): Finding[] {
  const isMode = [0, 1, 2, 3].includes(mode as number);
  const isSpeed = typeof speed_hz === "number" && Number.isInteger(speed_hz) && speed_hz > 0;
  return [
    ...(isMode && !modes.includes(mode as SpiMode)
      ? [
          wrongValue(
            [...path, "mode"],
            `${name} does not understand mode ${mode}, only ${inWords(modes.map(String))}`,
          ),
        ]
      : []),
    ...(isSpeed && (speed_hz < speedHz.min || speed_hz > speedHz.max)
      ? [wrongValue([...path, "speed_hz"], `${name} takes a clock of ${speedHz.min} to ${speedHz.max} Hz`)]
      : []),
  ];
}

/** Filters and deltas name fields that the sensor has. */
export function checkFieldNames(driver: string, fields: readonly string[], item: Raw, path: Path): Finding[] {
  const filterNames = Object.keys(filterKinds);
  const steps = Array.isArray(item["filters"]) ? (item["filters"] as unknown[]) : [];
  const wrongSteps = steps.flatMap((step, index) =>
    unknownKeys(step, [...filterNames, ...fields]).map(({ key, near }) =>
      wrongKey(
        [...path, "filters", index, key],
        `"${key}" is neither a filter nor a field of ${driver}`,
        near,
      ),
    ),
  );
  const report = item["report"];
  const wrongDeltas = unknownKeys(isMap(report) ? report["delta"] : undefined, fields).map(({ key, near }) =>
    wrongKey([...path, "report", "delta", key], `${driver} has no field "${key}"`, near),
  );
  return [...wrongSteps, ...wrongDeltas];
}

function unknownKeys(map: unknown, known: readonly string[]) {
  const keys = isMap(map) ? Object.keys(map) : [];
  return keys.filter((key) => !known.includes(key)).map((key) => ({ key, near: nearest(key, known) }));
}

/** Jitter keeps within the interval; a heartbeat that somebody wrote does not beat faster than the sensor is read. */
export function checkTimes(
  intervalMs: number | undefined,
  { jitter, report }: Partial<CommonSensorSettings>,
  item: Raw,
  path: Path,
): Finding[] {
  if (intervalMs === undefined) return [];
  const findings: Finding[] = [];
  const interval = formatDurationMs(intervalMs);
  if (typeof jitter === "number" && jitter >= intervalMs) {
    findings.push(wrongValue([...path, "jitter"], `must be shorter than the interval, ${interval}`));
  }
  const written = item["report"];
  const heartbeatMs = isMap(written) && written["heartbeat"] !== undefined ? report?.heartbeat : undefined;
  if (typeof heartbeatMs === "number" && heartbeatMs < intervalMs) {
    findings.push(
      wrongValue([...path, "report", "heartbeat"], `must not be shorter than the interval, ${interval}`),
    );
  }
  return findings;
}

/** `a, b or c`. */
export function inWords(words: readonly string[]): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}
