import { decode } from "cborg";

/** SenML's labels in CBOR, as far as an account needs them (RFC 8428, table 4): name, number, text. */
const NAME = 0;
const NUMBER = 2;
const TEXT = 3;

interface SenmlRecord {
  readonly n?: unknown;
  readonly v?: unknown;
  readonly vs?: unknown;
}

/** A record's payload as the contract's JSON, whatever `telemetry.encoding` it has; as it is where it is none of them. */
export function asJson(payload: Uint8Array): string {
  const text = Buffer.from(payload).toString();
  try {
    if (text.startsWith("{")) return text;
    const value: unknown = text.startsWith("[") ? JSON.parse(text) : decode(payload, { useMaps: true });
    if (value instanceof Map) return JSON.stringify(value, mapsAsObjects);
    return Array.isArray(value) ? JSON.stringify(fieldsOf(value.map(named))) : text;
  } catch {
    return text;
  }
}

function mapsAsObjects(_key: string, value: unknown): unknown {
  return value instanceof Map ? Object.fromEntries(value) : value;
}

function named(record: unknown): SenmlRecord {
  if (!(record instanceof Map)) return (record ?? {}) as SenmlRecord;
  return { n: record.get(NAME), v: record.get(NUMBER), vs: record.get(TEXT) };
}

/** What has parts is its JSON in a text. */
function fieldsOf(pack: readonly SenmlRecord[]): Record<string, unknown> {
  return Object.fromEntries(
    pack.map(({ n, v, vs }) => [
      String(n),
      v ?? (typeof vs === "string" && vs.startsWith("{") ? JSON.parse(vs) : vs),
    ]),
  );
}
