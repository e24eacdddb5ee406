import type { ForecastJson } from "../node/forecast.ts";

const WHY = {
  max_size: "then buffer.max_size is reached",
  max_age: "then the oldest reach buffer.max_age",
  disk: "then the disk is full",
} as const;

/** What `status` and `buffer status` say of the days to come. */
export function forecastRows(forecast: ForecastJson): string[][] {
  const { offline_days: days, limited_by: why, flash_bytes_per_day: flashBytes } = forecast;
  return [
    ["offline", days === undefined ? "not known yet: measured over 10 min at least" : offline(days, why)],
    [
      "flash written",
      flashBytes === undefined ? "not known yet: measured over 1 h at least" : flash(flashBytes),
    ],
  ];
}

function offline(days: number, why: ForecastJson["limited_by"]): string {
  const time = days < 1 ? `${Math.round(days * 24 * 10) / 10} hours` : `${days} days`;
  return `at today's rate you can be offline for ${time}${why === undefined ? "" : ` (${WHY[why]})`}`;
}

/** Decimal, as cards are sold. */
function flash(bytesPerDay: number): string {
  return `${Number((bytesPerDay / 1e6).toPrecision(2))} MB a day`;
}
