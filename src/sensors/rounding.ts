import { type Fields, type Measurements, SensorError } from "./driver.ts";
import { roundTo } from "./filter-kinds.ts";

/** Throws where a number is NaN or infinite: no measurement, whatever the driver thought. */
export function assertFinite(measurements: Measurements): void {
  for (const [field, value] of Object.entries(measurements)) {
    if (typeof value === "number" && !Number.isFinite(value)) {
      throw new SensorError("out_of_range", `${field} is ${value}`);
    }
  }
}

/** Measurements with each number at its field's precision. */
export function roundToPrecision(measurements: Measurements, fields: Fields): Measurements {
  return Object.fromEntries(
    Object.entries(measurements).map(([name, value]) => {
      const field = fields[name];
      return [name, typeof value === "number" && field ? roundTo(value, field.precision) : value];
    }),
  );
}
