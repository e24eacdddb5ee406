import * as v from "valibot";

/** Takes one value of one field; returns what it becomes, or undefined to leave the field out of this reading. */
export type Filter = (value: number) => number | undefined;

/** One kind of filter: a plain record. */
export interface FilterKind<S extends v.GenericSchema = v.GenericSchema> {
  readonly description: string;
  /** What stands behind the filter's name in a configuration. */
  readonly option: S;
  /** A filter that remembers nothing yet. Called again whenever the sensor is opened anew. */
  start(option: unknown): Filter;
}

function kind<S extends v.GenericSchema>(
  description: string,
  option: S,
  start: (option: v.InferOutput<S>) => Filter,
): FilterKind<S> {
  return { description, option, start: (value) => start(value as v.InferOutput<S>) };
}

const finite = v.pipe(v.number("expected a number"), v.finite("expected a finite number"));

const range = v.pipe(
  v.strictTuple([finite, finite], "expected [lowest, highest]"),
  v.check(([lowest, highest]) => lowest <= highest, "the first number must not exceed the second"),
);

const windowLength = v.pipe(
  v.number("expected a number of samples"),
  v.integer("expected a whole number of samples"),
  v.minValue(2, "must be at least 2 samples"),
  v.maxValue(1000, "must be at most 1000 samples"),
);

const points = v.pipe(
  v.array(v.strictTuple([finite, finite], "expected [raw, true]"), "expected a list of [raw, true]"),
  v.minLength(2, "expected at least two points"),
  v.check(
    (pairs) => new Set(pairs.map(([raw]) => raw)).size === pairs.length,
    "two points have the same raw value",
  ),
);

/** Every filter by the name that a configuration uses. */
export const filterKinds = {
  offset: kind("adds a number", finite, (by) => (value) => value + by),
  scale: kind("multiplies by a number", finite, (by) => (value) => value * by),
  calibrate_linear: kind(
    "maps raw values to true ones along the line through measured points",
    points,
    calibrate,
  ),
  clamp: kind("limits to a range", range, ([lowest, highest]) => {
    return (value) => Math.min(highest, Math.max(lowest, value));
  }),
  skip_outside: kind("leaves out values outside a range", range, ([lowest, highest]) => {
    return (value) => (value >= lowest && value <= highest ? value : undefined);
  }),
  median: kind("the middle one of the last n values", windowLength, (length) => overLast(length, median)),
  moving_average: kind("the mean of the last n values", windowLength, (length) => overLast(length, mean)),
  exponential_average: kind(
    "moves towards each value by a share of the distance; the smaller, the smoother",
    v.pipe(finite, v.gtValue(0, "must be above 0"), v.maxValue(1, "must be at most 1")),
    approach,
  ),
  round: kind(
    "rounds to n decimal places, in place of the field's own precision",
    v.pipe(
      v.number("expected a number of decimal places"),
      v.integer("expected a whole number of decimal places"),
      v.minValue(0, "must be at least 0"),
      v.maxValue(12, "must be at most 12"),
    ),
    (digits) => (value) => roundTo(value, digits),
  ),
} satisfies Record<string, FilterKind>;

export type FilterName = keyof typeof filterKinds;

/** To `digits` decimal places, and never to the number -0. */
export function roundTo(value: number, digits: number): number {
  return Number(value.toFixed(digits)) + 0;
}

/**
 * Piecewise linear through the points, the outermost lines going on beyond them. Two points are a plain gain and
 * offset; every point is met exactly, which a person who has just measured it expects (least squares would not).
 */
function calibrate(measured: readonly (readonly [raw: number, actual: number])[]): Filter {
  const sorted = [...measured].sort(([a], [b]) => a - b);
  return (value) => {
    const above = sorted.findIndex(([raw], index) => index > 0 && value <= raw);
    const end = above === -1 ? sorted.length - 1 : above;
    const [rawLow, trueLow] = sorted[end - 1]!;
    const [rawHigh, trueHigh] = sorted[end]!;
    return trueLow + ((value - rawLow) * (trueHigh - trueLow)) / (rawHigh - rawLow);
  };
}

function overLast(length: number, summary: (values: readonly number[]) => number): Filter {
  const window: number[] = [];
  return (value) => {
    window.push(value);
    if (window.length > length) window.shift();
    return summary(window);
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function approach(share: number): Filter {
  let average: number | undefined;
  return (value) => {
    average = average === undefined ? value : average + share * (value - average);
    return average;
  };
}
