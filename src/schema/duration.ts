import * as v from "valibot";

/** Milliseconds in one of each unit that a configuration may name, smallest first. */
const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

type Unit = keyof typeof UNIT_MS;

const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;
const EXPECTED = "expected a duration such as 250ms, 10s, 5m, 2h or 7d";

/** Reads `250ms`, `10s`, `5m`, `2h` or `7d`. Returns milliseconds, or undefined where the text is none of these. */
export function parseDurationMs(text: string): number | undefined {
  const match = DURATION.exec(text);
  if (!match) return undefined;
  const valueMs = Number(match[1]) * UNIT_MS[match[2] as Unit];
  return Number.isSafeInteger(valueMs) ? valueMs : undefined;
}

/** Writes a duration in the largest unit that keeps it whole: 90000 becomes `90s`, 120000 becomes `2m`. */
export function formatDurationMs(valueMs: number): string {
  const units = (Object.entries(UNIT_MS) as [Unit, number][]).reverse();
  const [unit, sizeMs] = units.find(([, sizeMs]) => valueMs >= sizeMs && valueMs % sizeMs === 0) ?? ["ms", 1];
  return `${valueMs / sizeMs}${unit}`;
}

export interface DurationBounds {
  readonly minMs?: number;
  readonly maxMs?: number;
}

/** A duration in a configuration: text such as `10s` in, milliseconds out. */
export function duration({ minMs = 0, maxMs = Number.MAX_SAFE_INTEGER }: DurationBounds = {}) {
  return v.pipe(
    v.string(EXPECTED),
    v.regex(DURATION, EXPECTED),
    v.rawTransform<string, number>(({ dataset, addIssue, NEVER }) => {
      const valueMs = parseDurationMs(dataset.value);
      if (valueMs === undefined) {
        addIssue({ message: EXPECTED });
        return NEVER;
      }
      if (valueMs < minMs) addIssue({ message: `must be at least ${formatDurationMs(minMs)}` });
      if (valueMs > maxMs) addIssue({ message: `must be at most ${formatDurationMs(maxMs)}` });
      return valueMs;
    }),
  );
}
