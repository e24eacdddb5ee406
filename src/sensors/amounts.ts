import type { Fields, Measurements } from "./driver.ts";

/** What readings that were not sent said of the fields that accumulate. */
export type Amounts = Readonly<Record<string, number>>;

export function amountsOf(measurements: Measurements, fields: Fields): Amounts {
  return Object.fromEntries(
    Object.entries(measurements).filter(
      (entry): entry is [string, number] =>
        typeof entry[1] === "number" && fields[entry[0]]?.accumulates === true,
    ),
  );
}

/** Adds what was held back, also of fields that this reading does not have. */
export function addAmounts(measurements: Measurements, held: Amounts): Measurements {
  const sum: Record<string, number | boolean> = { ...measurements };
  for (const [field, amount] of Object.entries(held)) {
    const value = sum[field];
    sum[field] = amount + (typeof value === "number" ? value : 0);
  }
  return sum;
}
