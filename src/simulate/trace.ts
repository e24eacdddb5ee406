/** How one field of one sensor went, in so many stretches of equal length. */
export interface Trace {
  readonly sensor: string;
  readonly field: string;
  readonly unit: string;
  readonly precision: number;
  readonly samples: number;
  /** Over all samples; absent where there was none. A boolean counts as 0 and 1. */
  readonly min?: number;
  readonly mean?: number;
  readonly max?: number;
  /** Whether every value was true or false. */
  readonly isBoolean: boolean;
  readonly stretches: readonly (Stretch | undefined)[];
}

/** Undefined where nothing was measured. */
export interface Stretch {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
}

export interface TraceOptions extends Pick<Trace, "sensor" | "field" | "unit" | "precision"> {
  readonly startWallMs: number;
  readonly durationMs: number;
}

/** As many as a drawing can show. */
const STRETCHES = 800;

interface Sum {
  min: number;
  max: number;
  sum: number;
  count: number;
}

export function createTrace({ startWallMs, durationMs, ...name }: TraceOptions) {
  const sums: (Sum | undefined)[] = new Array(STRETCHES).fill(undefined);
  let isBoolean = true;
  return {
    add(wallMs: number, value: number | boolean): void {
      const at = Math.min(STRETCHES - 1, Math.floor(((wallMs - startWallMs) / durationMs) * STRETCHES));
      const number = Number(value);
      isBoolean &&= typeof value === "boolean";
      const sum = sums[at];
      if (!sum) {
        sums[at] = { min: number, max: number, sum: number, count: 1 };
        return;
      }
      sum.min = Math.min(sum.min, number);
      sum.max = Math.max(sum.max, number);
      sum.sum += number;
      sum.count++;
    },
    done(): Trace {
      const all = sums.filter((sum) => sum !== undefined);
      const samples = all.reduce((count, sum) => count + sum.count, 0);
      return {
        ...name,
        samples,
        isBoolean: isBoolean && samples > 0,
        ...(samples > 0 && {
          min: Math.min(...all.map(({ min }) => min)),
          mean: all.reduce((total, { sum }) => total + sum, 0) / samples,
          max: Math.max(...all.map(({ max }) => max)),
        }),
        stretches: sums.map((sum) => sum && { min: sum.min, max: sum.max, mean: sum.sum / sum.count }),
      };
    },
  };
}
