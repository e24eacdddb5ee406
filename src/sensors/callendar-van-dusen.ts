/** Coefficients of platinum with 0.00385 Ω/Ω/K (IEC 60751). */
const A = 3.9083e-3;
const B = -5.775e-7;
const C = -4.183e-12;

/** Newton's method on this curve is closer than a millionth of a degree after three steps. */
const STEPS = 5;

/**
 * Temperature of a platinum resistor, °C, from its resistance over that at 0 °C: the Callendar-Van Dusen equation,
 * solved for the temperature. Above zero it is quadratic; below, the term with C comes in.
 */
export function platinumCelsius(ratio: number): number {
  const quadratic = (-A + Math.sqrt(A * A - 4 * B * (1 - ratio))) / (2 * B);
  if (ratio >= 1) return quadratic;
  let celsius = quadratic;
  for (let step = 0; step < STEPS; step++) {
    const t = celsius;
    const value = 1 + A * t + B * t ** 2 + C * (t - 100) * t ** 3;
    const slope = A + 2 * B * t + C * (4 * t ** 3 - 300 * t ** 2);
    celsius = t - (value - ratio) / slope;
  }
  return celsius;
}
