import type { Config } from "../config/config.ts";
import { fieldsOf } from "../sensors/driver.ts";
import { filteredFields } from "../sensors/filters.ts";
import type { Paint } from "./screen.ts";

/** What a record carries beside its fields (contract: readings and events). */
const ENVELOPE = new Set(["seq", "time", "clock", "historical"]);

/** Units by `<sensor>.<field>`. */
export function unitsOf(config: Config): ReadonlyMap<string, string> {
  return new Map(
    config.sensors.flatMap(({ id, driver, options, filters }) =>
      Object.entries(filteredFields(fieldsOf(driver, options), filters)).map(
        ([field, { unit }]) => [`${id}.${field}`, unit] as const,
      ),
    ),
  );
}

/** One message as a line for people: sensor, values with their units, sequence number. */
export function describeMessage(
  topic: string,
  payload: Readonly<Record<string, unknown>>,
  units: ReadonlyMap<string, string>,
  paint: Paint,
): string {
  const [kind = "", name = ""] = topic.split("/");
  const values = Object.entries(payload)
    .filter(([field]) => !ENVELOPE.has(field))
    .map(([field, value]) => {
      const unit = units.get(`${name}.${field}`);
      return unit === undefined || unit === ""
        ? `${paint("dim", field)} ${inWords(value)}`
        : `${inWords(value)} ${unit}`;
    });
  const seq = typeof payload["seq"] === "number" ? paint("dim", `#${payload["seq"]}`) : "";
  const label = kind === "telemetry" ? paint("cyan", name.padEnd(9)) : paint("bold", topic.padEnd(9));
  return `${label} ${values.join("  ")}  ${seq}`;
}

function inWords(value: unknown): string {
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
