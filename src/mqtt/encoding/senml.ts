import type { EncodeRecord } from "./encoding.ts";
import { fieldsOfRecord } from "./record-fields.ts";
import { toSenmlUnit } from "./senml-units.ts";

/** One SenML Record (RFC 8428, section 4): only the labels that the node uses. */
export interface SenmlRecord {
  /** Base name, base time (s), on the first record of a pack. */
  readonly bn?: string;
  readonly bt?: number;
  readonly n: string;
  readonly u?: string;
  readonly v?: number;
  readonly vs?: string;
  readonly vb?: boolean;
}

export interface SenmlOptions {
  /** Begins every name. */
  readonly device: string;
  /** The unit of a field of a record's topic, as the project writes it; undefined: it has none. */
  unitOf(topic: string, field: string): string | undefined;
}

/**
 * One record as a SenML Pack. Names are `<device>/<topic>/<field>`, times are absolute. What the contract's JSON says
 * beside the measurements is in the pack under its own name: `seq` first, then `clock`, `historical` and `resent` where they apply.
 * Whatever is neither number, text nor boolean is its JSON as a text.
 */
function packOf(
  seq: number,
  wallMs: number,
  flags: { readonly clock?: string; readonly historical?: true; readonly resent?: true },
  topic: string,
  fields: Readonly<Record<string, unknown>>,
  { device, unitOf }: SenmlOptions,
): SenmlRecord[] {
  const base = { bn: `${device}/${topic}/`, bt: Math.round(wallMs) / 1_000 };
  return [
    { ...base, n: "seq", v: seq },
    ...Object.entries(flags).map(([n, value]) => recordOf(n, value, undefined)),
    ...Object.entries(fields).map(([n, value]) => recordOf(n, value, unitOf(topic, n))),
  ];
}

function recordOf(n: string, value: unknown, unit: string | undefined): SenmlRecord {
  if (typeof value === "boolean") return { n, vb: value };
  if (typeof value === "string") return { n, vs: value };
  if (typeof value !== "number") return { n, vs: JSON.stringify(value) };
  const { u, v } = toSenmlUnit(value, unit, n);
  return { n, ...(u !== undefined && { u }), v };
}

/** An encoder that hands each record's pack to `write`. */
export function senmlEncoder(
  options: SenmlOptions,
  write: (pack: readonly SenmlRecord[]) => string | Uint8Array,
): EncodeRecord {
  return (seq, { wallMs, clock }, sample) =>
    write(
      packOf(
        seq,
        wallMs,
        {
          ...(clock !== undefined && { clock }),
          ...(sample.historical && { historical: true }),
          ...(sample.resent && { resent: true }),
        },
        sample.topic,
        fieldsOfRecord(sample),
        options,
      ),
    );
}
