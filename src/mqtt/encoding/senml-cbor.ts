import { encode } from "cborg";
import type { EncodeRecord } from "./encoding.ts";
import { type SenmlOptions, type SenmlRecord, senmlEncoder } from "./senml.ts";

/** CBOR map keys of SenML's labels (RFC 8428, section 6, table 4). */
const LABELS: Readonly<Record<keyof SenmlRecord, number>> = {
  bn: -2,
  bt: -3,
  n: 0,
  u: 1,
  v: 2,
  vs: 3,
  vb: 4,
};

/** SenML in CBOR (RFC 8428, section 6). */
export const senmlCborEncoder = (options: SenmlOptions): EncodeRecord =>
  senmlEncoder(options, (pack) => encode(pack.map(labelled)));

function labelled(record: SenmlRecord): Map<number, unknown> {
  return new Map(Object.entries(record).map(([label, value]) => [LABELS[label as keyof SenmlRecord], value]));
}
