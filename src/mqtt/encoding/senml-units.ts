interface SenmlUnit {
  /** The symbol in IANA's SenML Units registry (RFC 8428, section 12.1). */
  readonly u: string;
  /** What a value in the project's unit is multiplied by. Default: 1. */
  readonly times?: number;
}

const HUMIDITY = /(^|_)humidity$/;

/**
 * The project's units in those of IANA's primary registry. Secondary units (RFC 8798) such as hPa or ppm are not for SenML packs
 * of version 10, so values are converted. What has no registered unit is left without one.
 */
const UNITS: Readonly<Record<string, SenmlUnit>> = {
  "°C": { u: "Cel" },
  hPa: { u: "Pa", times: 100 },
  Pa: { u: "Pa" },
  lx: { u: "lx" },
  V: { u: "V" },
  mV: { u: "V", times: 1e-3 },
  A: { u: "A" },
  mA: { u: "A", times: 1e-3 },
  W: { u: "W" },
  Wh: { u: "J", times: 3_600 },
  kWh: { u: "J", times: 3_600_000 },
  VA: { u: "VA" },
  var: { u: "var" },
  Hz: { u: "Hz" },
  ohm: { u: "Ohm" },
  Ω: { u: "Ohm" },
  ppm: { u: "/", times: 1e-6 },
  ppb: { u: "/", times: 1e-9 },
  "%": { u: "/", times: 1e-2 },
  "µg/m³": { u: "kg/m3", times: 1e-9 },
  mm: { u: "m", times: 1e-3 },
  cm: { u: "m", times: 1e-2 },
  m: { u: "m" },
  s: { u: "s" },
  ms: { u: "s", times: 1e-3 },
  min: { u: "s", times: 60 },
  kg: { u: "kg" },
  g: { u: "kg", times: 1e-3 },
  l: { u: "m3", times: 1e-3 },
  L: { u: "m3", times: 1e-3 },
  "m³": { u: "m3" },
  "m/s": { u: "m/s" },
  "m/s²": { u: "m/s2" },
  µT: { u: "T", times: 1e-6 },
  "°": { u: "rad", times: Math.PI / 180 },
  dB: { u: "dB" },
};

/** A number's twelve significant digits are more than any sensor has; the rest is binary noise of a conversion. */
const SIGNIFICANT_DIGITS = 12;

export function toSenmlUnit(
  value: number,
  unit = "",
  field = "",
): { readonly u?: string; readonly v: number } {
  if (unit === "%" && HUMIDITY.test(field)) return { u: "%RH", v: value };
  if (unit === "dBm") return { u: "dBW", v: value - 30 };
  const known = Object.hasOwn(UNITS, unit) ? UNITS[unit] : undefined;
  if (known === undefined) return { v: value };
  const { u, times = 1 } = known;
  return { u, v: times === 1 ? value : Number((value * times).toPrecision(SIGNIFICANT_DIGITS)) };
}
