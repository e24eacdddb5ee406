import * as v from "valibot";

/** Bytes in one of each unit (IEC 80000-13 binary prefixes), smallest first. */
const UNIT_BYTES = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

type Unit = keyof typeof UNIT_BYTES;

const SIZE = /^(\d+(?:\.\d+)?)(B|KiB|MiB|GiB)$/;
const EXPECTED = "expected a size such as 64KiB, 256MiB or 1GiB";

/** Reads `512B`, `64KiB`, `256MiB` or `1GiB`. Returns bytes, or undefined where the text is none of these. */
export function parseSizeBytes(text: string): number | undefined {
  const match = SIZE.exec(text);
  if (!match) return undefined;
  const valueBytes = Number(match[1]) * UNIT_BYTES[match[2] as Unit];
  return Number.isSafeInteger(valueBytes) ? valueBytes : undefined;
}

/** Writes a size for people: 1536 becomes `1.5 KiB`. */
export function formatSizeBytes(valueBytes: number): string {
  const units = (Object.entries(UNIT_BYTES) as [Unit, number][]).reverse();
  const [unit, sizeBytes] = units.find(([, sizeBytes]) => valueBytes >= sizeBytes) ?? ["B", 1];
  const value = valueBytes / sizeBytes;
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${unit}`;
}

/** A size in a configuration: text such as `256MiB` in, bytes out. */
export function size({ minBytes = 0 }: { readonly minBytes?: number } = {}) {
  return v.pipe(
    v.string(EXPECTED),
    v.regex(SIZE, EXPECTED),
    v.rawTransform<string, number>(({ dataset, addIssue, NEVER }) => {
      const valueBytes = parseSizeBytes(dataset.value);
      if (valueBytes === undefined) {
        addIssue({ message: EXPECTED });
        return NEVER;
      }
      if (valueBytes < minBytes) addIssue({ message: `must be at least ${formatSizeBytes(minBytes)}` });
      return valueBytes;
    }),
  );
}
