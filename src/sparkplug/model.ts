import { isOnFor } from "../actuators/kind.ts";
import type { ActuatorConfig, Config, SensorConfig } from "../config/config.ts";
import type { Host } from "../device/host.ts";
import { type Field, fieldsOf } from "../sensors/driver.ts";
import { filteredFields } from "../sensors/filters.ts";
import { DataType, type Metric, type MetricType, type MetricValue, type Properties } from "./payload.ts";

/** What a birth says of a metric, and data messages rely on. */
export interface Definition {
  readonly name: string;
  /** Unique within the edge node; data messages say it in place of the name (section 6.4.6). */
  readonly alias?: number;
  readonly type: MetricType;
  readonly properties?: Properties;
  /** What never changes while the node runs. */
  readonly constant?: MetricValue;
}

/** The metrics of the node itself or of one device, by name. */
export type Definitions = ReadonlyMap<string, Definition>;

/** A sensor or an actuator: to hosts a device of its own, which is born and dies by itself. */
export interface Device {
  readonly id: string;
  readonly sensor?: SensorConfig;
  readonly actuator?: ActuatorConfig;
  readonly metrics: Definitions;
}

/** Everything that an edge node will ever report: a birth must list it all (section 6.4.17 and 6.4.19). */
export interface Model {
  readonly node: Definitions;
  readonly devices: ReadonlyMap<string, Device>;
}

export const BD_SEQ = "bdSeq";
export const REBIRTH = "Node Control/Rebirth";
export const REBOOT = "Node Control/Reboot";
export const SAMPLE = "Node Control/Sample";
export const RESEND = "Node Control/Resend";
/** What became of the last command to the node. */
export const NODE_RESULT = "Node Control/Result";
/** Of the record that a message carries: what makes losses visible. */
export const SEQ = "seq";
/** Carries as text what has no metric of its own. */
export const OTHER = "other";

const EVENTS = ["boot", "dropped", "sensor", "failsafe", "clock", "alarm", "message", OTHER] as const;

/** The metric of an event; one that a birth did not name goes as {@link OTHER}. */
export function eventMetric(name: string): string {
  return `Events/${name}`;
}

/** Of the node's report on itself (contract, section 3: `health`): the figures that hosts draw, by their place in it. */
const HEALTH: Readonly<Record<string, string>> = {
  uptime_s: "s",
  host_uptime_s: "s",
  rss_bytes: "B",
  memory_available_bytes: "B",
  event_loop_delay_ms: "ms",
  load_1m: "",
  cpu_temperature: "°C",
  disk_free_bytes: "B",
  "outbox/depth": "",
  "outbox/bytes": "B",
  "outbox/dropped": "",
  "link/reconnects": "",
  "link/signal_dbm": "dBm",
};

const HEALTH_FOLDER = "Health/";
const HEALTH_REPORT = `${HEALTH_FOLDER}report`;

/** The values of the health metrics; the whole report is among them as text. */
export function healthValues(
  report: Readonly<Record<string, unknown>>,
): ReadonlyMap<string, MetricValue | null> {
  const at = (path: string) =>
    path
      .split("/")
      .reduce<unknown>((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], report);
  const figures = Object.keys(HEALTH).map((path): [string, number | null] => {
    const value = at(path);
    return [HEALTH_FOLDER + path, typeof value === "number" ? value : null];
  });
  return new Map<string, MetricValue | null>([...figures, [HEALTH_REPORT, JSON.stringify(report)]]);
}

/** What a node tells of itself besides its sensors and actuators. */
export interface About {
  readonly version: string;
  readonly host: Pick<Host, "model" | "serial" | "hostname">;
}

type Undefined = Omit<Definition, "alias">;

const READ_ONLY: Properties = { readOnly: true };

/** Every metric of a node with this configuration. Two runs with the same configuration number them the same. */
export function modelOf(config: Pick<Config, "sensors" | "actuators">, about: About): Model {
  let alias = 0;
  const numbered = (definitions: readonly Undefined[]): Definitions =>
    new Map(
      definitions.map((definition) => [
        definition.name,
        // A host that knows no alias yet must be able to ask for a birth: section 6.4.6 exempts this one metric.
        definition.name === REBIRTH ? definition : { ...definition, alias: ++alias },
      ]),
    );
  const node = numbered(nodeMetrics(about));
  const devices = [
    ...config.sensors.map(
      (sensor): Device => ({ id: sensor.id, sensor, metrics: numbered(sensorMetrics(sensor)) }),
    ),
    ...config.actuators.map(
      (actuator): Device => ({ id: actuator.id, actuator, metrics: numbered(actuatorMetrics(actuator)) }),
    ),
  ];
  return { node, devices: new Map(devices.map((device) => [device.id, device])) };
}

function nodeMetrics({ version, host }: About): Undefined[] {
  const control = (name: string, type: MetricType) => ({ name, type });
  return [
    { name: BD_SEQ, type: DataType.Int64 },
    control(REBIRTH, DataType.Boolean),
    control(REBOOT, DataType.Boolean),
    control(SAMPLE, DataType.Boolean),
    control(RESEND, DataType.String),
    property("Hardware Model", host.model),
    property("Hardware Serial", host.serial),
    property("Hostname", host.hostname),
    property("Software", "Fieldpost"),
    property("Software Version", version),
    ...EVENTS.map((event) => readOnly(eventMetric(event), DataType.String)),
    readOnly(SEQ, DataType.Int64),
    readOnly(NODE_RESULT, DataType.String),
    ...Object.entries(HEALTH).map(([path, unit]) => ({
      name: HEALTH_FOLDER + path,
      type: DataType.Double,
      properties: { ...READ_ONLY, ...(unit !== "" && { engUnit: unit }) },
    })),
    readOnly(HEALTH_REPORT, DataType.String),
  ].flatMap((definition) => definition ?? []);
}

function sensorMetrics({ driver, options, filters }: SensorConfig): Undefined[] {
  const fields = Object.entries(filteredFields(fieldsOf(driver, options), filters));
  return [
    ...fields.map(([name, field]) => fieldMetric(name, field)),
    readOnly(SEQ, DataType.Int64),
    ...[property("Hardware Model", driver.chip), property("Driver", driver.name)].flatMap(
      (definition) => definition ?? [],
    ),
  ];
}

function fieldMetric(name: string, { unit, boolean }: Field): Undefined {
  return {
    name,
    type: boolean ? DataType.Boolean : DataType.Double,
    properties: { ...READ_ONLY, ...(unit !== "" && { engUnit: unit }) },
  };
}

/**
 * An actuator as hosts see it: `state` is its value in the project's words, `on` and `value` the same as a switch and as
 * a number, where its kind has them.
 */
function actuatorMetrics({ kind, options }: ActuatorConfig): Undefined[] {
  const range = kind.range?.(options);
  const isSwitch = kind.accepts("on", options) && kind.accepts("off", options);
  return [
    { name: "state", type: DataType.String },
    ...(isSwitch ? [{ name: "on", type: DataType.Boolean }] : []),
    ...(range
      ? [
          {
            name: "value",
            type: DataType.Double,
            properties: { engUnit: range.unit, engLow: range.min, engHigh: range.max },
          },
        ]
      : []),
    readOnly("cause", DataType.String),
    readOnly("rule", DataType.String),
    readOnly("result", DataType.String),
    readOnly(SEQ, DataType.Int64),
    ...[property("Driver", kind.name)].flatMap((definition) => definition ?? []),
  ];
}

function readOnly(name: string, type: MetricType): Undefined {
  return { name, type, properties: READ_ONLY };
}

function property(name: string, constant: string | undefined): Undefined | undefined {
  if (constant === undefined) return undefined;
  return { name: `Properties/${name}`, type: DataType.String, properties: READ_ONLY, constant };
}

/** What an actuator's state says through its metrics; `undefined`: nobody knows it. */
export function actuatorValues(
  { kind }: ActuatorConfig,
  state: string | number | undefined,
  position: unknown,
): Readonly<Record<string, MetricValue | null>> {
  if (state === undefined) return { state: null, on: null, value: null };
  const at = typeof state === "number" ? state : position;
  return {
    state: String(state),
    on: isOnFor(kind, state as Parameters<typeof isOnFor>[1]),
    value: typeof at === "number" ? at : null,
  };
}

/** The metric as a birth lists it. */
export function born(
  { name, alias, type, properties }: Definition,
  value: MetricValue | null,
  timestampMs: number,
): Metric {
  return { name, alias, type, properties, value, timestampMs };
}
