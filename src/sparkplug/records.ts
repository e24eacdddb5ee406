import type { EncodedSample } from "../mqtt/encoding/encoding.ts";
import { fieldsOfRecord } from "../mqtt/encoding/record-fields.ts";
import type { SampleTime } from "../record/time.ts";
import { actuatorValues, type Definitions, eventMetric, type Model, OTHER, SEQ } from "./model.ts";
import { DataType, type Metric, type MetricValue } from "./payload.ts";

/** A record as data of a device, or of the node itself (`device` absent). */
export interface RecordData {
  readonly device?: string;
  readonly metrics: readonly Metric[];
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * The metrics of a record: readings are those of their sensor, changes of an output those of their actuator, and other
 * events are texts of the node. What no birth has named goes as a text as well, so that nothing is lost over it. Throws
 * where the record's fields cannot be read. `isOld`: from before the latest birth, which has said newer things.
 */
export function dataOf(
  seq: number,
  { wallMs: timestampMs, clock }: SampleTime,
  sample: EncodedSample,
  isOld: boolean,
  model: Model,
): RecordData {
  const fields = fieldsOfRecord(sample);
  const isChange = sample.topic === "event/actuator";
  // A change of an output was told at once: the record is there for the history.
  const historical = sample.historical || sample.resent === true || isOld || isChange;
  const properties = clock === undefined ? undefined : { clock };
  const spell = (values: Fields, definitions: Definitions): Metric[] | undefined => {
    const metrics = Object.entries({ ...values, [SEQ]: seq }).map(([name, value]): Metric | undefined => {
      const definition = definitions.get(name);
      if (!definition || !fits(definition.type, value)) return undefined;
      const { alias, type } = definition;
      return { alias, type, value: value as MetricValue | null, timestampMs, historical, properties };
    });
    return metrics.includes(undefined) ? undefined : (metrics as Metric[]);
  };

  const [kind, name = ""] = sample.topic.split("/");
  const id = isChange ? String(fields["actuator"]) : name;
  const device = kind === "telemetry" || isChange ? model.devices.get(id) : undefined;
  const values = isChange && device?.actuator ? changeValues(device, fields) : fields;
  const ofDevice = device && spell(values, device.metrics);
  if (ofDevice) return { device: device.id, metrics: ofDevice };

  const text = JSON.stringify(fields);
  const ofEvent = kind === "event" ? spell({ [eventMetric(name)]: text }, model.node) : undefined;
  const other = { [eventMetric(OTHER)]: JSON.stringify({ topic: sample.topic, ...fields }) };
  return { metrics: ofEvent ?? spell(other, model.node) ?? [] };
}

function changeValues(device: NonNullable<ReturnType<Model["devices"]["get"]>>, fields: Fields): Fields {
  const { state, cause, rule = null, position } = fields;
  const values = {
    ...actuatorValues(device.actuator!, state as string | number, position),
    cause,
    rule,
  };
  return Object.fromEntries(Object.entries(values).filter(([name]) => device.metrics.has(name)));
}

function fits(type: number, value: unknown): boolean {
  if (value === null) return true;
  if (type === DataType.Boolean) return typeof value === "boolean";
  return typeof value === (type === DataType.String ? "string" : "number");
}

/** What an `event/sensor` says. */
export function faultIn(
  sample: EncodedSample,
): { readonly sensor: string; readonly isOver: boolean } | undefined {
  if (sample.topic !== "event/sensor" || sample.resent) return undefined;
  const { sensor, state } = fieldsOfRecord(sample);
  return typeof sensor === "string" ? { sensor, isOver: state === "ok" } : undefined;
}
