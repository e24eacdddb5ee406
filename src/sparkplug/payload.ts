/**
 * The Sparkplug B payload, as far as a node needs it: Eclipse Sparkplug 3.0.0, section 6.4, whose protobuf schema
 * (proto2, package org.eclipse.tahu.protobuf) gives the field numbers below.
 */
import { PbfReader, PbfWriter } from "pbf";

/** Section 6.4.16. */
export const DataType = {
  Int8: 1,
  Int16: 2,
  Int32: 3,
  Int64: 4,
  UInt8: 5,
  UInt16: 6,
  UInt32: 7,
  UInt64: 8,
  Float: 9,
  Double: 10,
  Boolean: 11,
  String: 12,
} as const;
/** The types that this node's own metrics have. */
export type MetricType = (typeof DataType)["Int64" | "Double" | "Boolean" | "String"];

export type MetricValue = number | boolean | string;

/** One metric of a message to the broker. */
export interface Metric {
  readonly name?: string;
  readonly alias?: number | undefined;
  /** When the value was captured, UTC, milliseconds since the epoch. */
  readonly timestampMs: number;
  readonly type: MetricType;
  /** `null`: nobody knows it. */
  readonly value: MetricValue | null;
  readonly historical?: boolean;
  readonly properties?: Properties | undefined;
}

/** Names are those of Ignition's tag properties where it has one for the purpose, as hosts read them. */
export type Properties = Readonly<Record<string, MetricValue>>;

const PAYLOAD = { timestamp: 1, metrics: 2, seq: 3 } as const;
const METRIC = {
  name: 1,
  alias: 2,
  timestamp: 3,
  datatype: 4,
  isHistorical: 5,
  isNull: 7,
  properties: 9,
  intValue: 10,
  longValue: 11,
  floatValue: 12,
  doubleValue: 13,
  booleanValue: 14,
  stringValue: 15,
} as const;
const PROPERTY_SET = { keys: 1, values: 2 } as const;
const PROPERTY_VALUE = { type: 1, doubleValue: 6, booleanValue: 7, stringValue: 8 } as const;

/** A payload without its sequence number: that is the last thing a message gets, see {@link withSeq}. */
export function encodePayload(timestampMs: number, metrics: readonly Metric[]): Uint8Array {
  const writer = new PbfWriter();
  writer.writeVarintField(PAYLOAD.timestamp, timestampOf(timestampMs));
  for (const metric of metrics) writer.writeMessage(PAYLOAD.metrics, writeMetric, metric);
  return writer.finish();
}

/** The payload with its `seq` behind everything else: in protobuf the order of fields means nothing. */
export function withSeq(payload: Uint8Array, seq: number): Uint8Array {
  const writer = new PbfWriter(new Uint8Array(3));
  writer.writeVarintField(PAYLOAD.seq, seq);
  return Buffer.concat([payload, writer.finish()]);
}

function writeMetric(metric: Metric, writer: PbfWriter): void {
  const { name, alias, timestampMs, type, value, historical, properties } = metric;
  if (name !== undefined) writer.writeStringField(METRIC.name, name);
  if (alias !== undefined) writer.writeVarintField(METRIC.alias, alias);
  writer.writeVarintField(METRIC.timestamp, timestampOf(timestampMs));
  writer.writeVarintField(METRIC.datatype, type);
  if (historical) writer.writeBooleanField(METRIC.isHistorical, true);
  if (value === null) writer.writeBooleanField(METRIC.isNull, true);
  if (properties) writer.writeMessage(METRIC.properties, writeProperties, properties);
  if (value === null) return;
  if (type === DataType.Boolean) writer.writeBooleanField(METRIC.booleanValue, value === true);
  else if (type === DataType.Int64) writer.writeVarintField(METRIC.longValue, Number(value));
  else if (type === DataType.Double) writer.writeDoubleField(METRIC.doubleValue, Number(value));
  else writer.writeStringField(METRIC.stringValue, String(value));
}

function writeProperties(properties: Properties, writer: PbfWriter): void {
  for (const key of Object.keys(properties)) writer.writeStringField(PROPERTY_SET.keys, key);
  for (const value of Object.values(properties))
    writer.writeMessage(PROPERTY_SET.values, writeProperty, value);
}

function writeProperty(value: MetricValue, writer: PbfWriter): void {
  switch (typeof value) {
    case "boolean":
      writer.writeVarintField(PROPERTY_VALUE.type, DataType.Boolean);
      writer.writeBooleanField(PROPERTY_VALUE.booleanValue, value);
      break;
    case "number":
      writer.writeVarintField(PROPERTY_VALUE.type, DataType.Double);
      writer.writeDoubleField(PROPERTY_VALUE.doubleValue, value);
      break;
    default:
      writer.writeVarintField(PROPERTY_VALUE.type, DataType.String);
      writer.writeStringField(PROPERTY_VALUE.stringValue, value);
  }
}

/** A time before 1970 is no uint64; only a clock that is wrong says so. */
function timestampOf(wallMs: number): number {
  return Math.max(0, Math.round(wallMs));
}

/** One metric of a command: what a host writes. */
export interface WrittenMetric {
  readonly name: string | undefined;
  readonly alias: number | undefined;
  /** Undefined where there is none, or of a type that no metric of this node has. */
  readonly value: MetricValue | undefined;
}

/** What a command may carry. A payload with more is not looked into any further. */
export const MAX_WRITES = 64;

/** Wire types of the protobuf encoding. */
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * The metrics of an NCMD's or DCMD's payload. Throws where it is damaged in any way: half a command is none.
 */
export function decodeWrites(payload: Uint8Array): WrittenMetric[] {
  const writes: WrittenMetric[] = [];
  readMessage(new PbfReader(payload), payload.length, (field, reader) => {
    if (field !== PAYLOAD.metrics) return false;
    writes.push(readMetric(reader, endOfValue(reader, payload.length)));
    if (writes.length > MAX_WRITES) throw new RangeError(`more than ${MAX_WRITES} metrics`);
    return true;
  });
  return writes;
}

function readMetric(reader: PbfReader, end: number): WrittenMetric {
  let name: string | undefined;
  let alias: number | undefined;
  let datatype = 0;
  let isNull = false;
  let value: MetricValue | undefined;
  readMessage(reader, end, (field) => {
    switch (field) {
      case METRIC.name:
        name = readText(reader, end);
        return true;
      case METRIC.alias:
        alias = readInteger(reader);
        return true;
      case METRIC.datatype:
        datatype = readInteger(reader);
        return true;
      case METRIC.isNull:
        isNull = readInteger(reader) !== 0;
        return true;
      case METRIC.intValue:
      case METRIC.longValue:
        value = readInteger(reader);
        return true;
      case METRIC.floatValue:
        expectType(reader, FIXED32);
        value = reader.readFloat();
        return true;
      case METRIC.doubleValue:
        expectType(reader, FIXED64);
        value = reader.readDouble();
        return true;
      case METRIC.booleanValue:
        value = readInteger(reader) !== 0;
        return true;
      case METRIC.stringValue:
        value = readText(reader, end);
        return true;
      default:
        return false;
    }
  });
  return { name, alias, value: isNull ? undefined : signed(value, datatype) };
}

/** Calls `read` for each field up to `end`, which skips it by answering false, and sees to it that nothing reaches beyond. */
function readMessage(
  reader: PbfReader,
  end: number,
  read: (field: number, reader: PbfReader) => boolean,
): void {
  while (reader.pos < end) {
    const field = reader.nextField(end);
    if (field === 0) throw new RangeError("a field has the number 0");
    if (!read(field, reader)) reader.skip(reader.type);
    if (reader.pos > end) throw new RangeError("a field reaches beyond its message");
  }
}

function expectType(reader: PbfReader, type: number): void {
  if (reader.type !== type) throw new RangeError("a field has the wrong wire type");
}

/** Where the length-delimited value that begins here ends. */
function endOfValue(reader: PbfReader, limit: number): number {
  expectType(reader, BYTES);
  const length = reader.readVarint();
  const end = reader.pos + length;
  if (!(end <= limit)) throw new RangeError("a field reaches beyond its message");
  return end;
}

/** The library replaces what is not UTF-8; a name or a value that was guessed must not act. */
function readText(reader: PbfReader, limit: number): string {
  const end = endOfValue(reader, limit);
  const text = utf8.decode(reader.buf.subarray(reader.pos, end));
  reader.pos = end;
  return text;
}

/** Numbers beyond 2^53 lose their last digits; no metric of this node takes such. */
function readInteger(reader: PbfReader): number {
  expectType(reader, VARINT);
  return reader.readVarint(true);
}

/** Int8 to Int32 travel as the 32 bits of an unsigned number (section 6.4.16), or sign-extended to 64. */
function signed(value: MetricValue | undefined, datatype: number): MetricValue | undefined {
  const isInt32 = datatype >= DataType.Int8 && datatype <= DataType.Int32;
  return typeof value === "number" && isInt32 && Number.isSafeInteger(value) ? value | 0 : value;
}
