import type { ActuatorConfig, Config } from "../config/config.ts";
import type { Topics } from "../mqtt/convention/topics.ts";
import { type Field, fieldsOf } from "../sensors/driver.ts";
import { filteredFields } from "../sensors/filters.ts";

/** One entity: its platform (`p`) and that platform's options, by the names in Home Assistant's documentation. */
export interface Component {
  readonly p: string;
  readonly unique_id: string;
  readonly name: string;
  readonly [option: string]: unknown;
}

export interface EntityContext {
  readonly config: Config;
  readonly topics: Topics;
  /** What `command/node` can do on this node. */
  readonly nodeActions: readonly string[];
}

/**
 * Every entity of the node, by the id that Home Assistant tells them apart with. The ids begin with what they are of, since a
 * sensor and an actuator may have one name; a field has no hyphen in its own.
 */
export function entitiesOf(context: EntityContext): Readonly<Record<string, Component>> {
  // A command that must be signed cannot come from Home Assistant: it has no key.
  const commandable = Object.keys(context.config.commands.keys).length === 0;
  const id = context.config.device.id;
  const all = [
    ...readingsOf(context),
    ...context.config.actuators.map((actuator) => actuatorOf(actuator, context, commandable)),
    ...(commandable ? buttonsOf(context) : []),
    ...diagnosticsOf(context),
  ];
  return Object.fromEntries(
    all.map(([key, component]) => [key, { unique_id: `fieldpost-${id}-${key}`, ...component } as Component]),
  );
}

type Entity = readonly [key: string, component: Omit<Component, "unique_id">];

function readingsOf({ config, topics }: EntityContext): Entity[] {
  return config.sensors.flatMap(({ id, driver, options, filters }) =>
    Object.entries(filteredFields(fieldsOf(driver, options), filters)).map(
      ([name, field]) => [`sensor-${id}-${name}`, readingOf(id, name, field, topics)] as const,
    ),
  );
}

/**
 * A value that was taken while the node was away is old when it comes: it must not become the state of now. A template
 * that yields nothing leaves the entity as it is.
 */
const fresh = (name: string, value: string) =>
  `{% if value_json['${name}'] is defined and not value_json.historical and not value_json.resent %}{{ ${value} }}{% endif %}`;

function readingOf(sensor: string, name: string, field: Field, topics: Topics): Entity[1] {
  const common = { name: title(`${sensor} ${name}`), state_topic: topics.telemetry(sensor) };
  const deviceClass = field.deviceClass === undefined ? {} : { device_class: field.deviceClass };
  if (field.boolean)
    return {
      p: "binary_sensor",
      ...common,
      ...deviceClass,
      value_template: fresh(name, `'ON' if value_json['${name}'] else 'OFF'`),
    };
  return {
    p: "sensor",
    ...common,
    ...deviceClass,
    state_class: field.stateClass ?? "measurement",
    ...(field.unit !== "" && { unit_of_measurement: field.unit }),
    suggested_display_precision: field.precision,
    value_template: fresh(name, `value_json['${name}']`),
  };
}

/** By what the kind takes, not by its name: a kind of tomorrow finds its entity too. */
function actuatorOf(actuator: ActuatorConfig, { topics }: EntityContext, commandable: boolean): Entity {
  const { id, kind, options } = actuator;
  const takes = (value: "on" | "off" | "open" | "close" | "stop" | number) => kind.accepts(value, options);
  const common = { name: title(id), state_topic: topics.state(id) };
  const command = { command_topic: topics.command(id), qos: 1, retain: false };
  const key = `actuator-${id}`;
  const range = kind.range?.(options);
  if (!commandable) return [key, { p: "sensor", ...common, value_template: "{{ value_json.state }}" }];
  if (takes("open") && takes("close"))
    return [
      key,
      {
        p: "cover",
        ...common,
        ...command,
        payload_open: "open",
        payload_close: "close",
        payload_stop: takes("stop") ? "stop" : null,
        ...(range && {
          position_topic: topics.state(id),
          position_template: "{{ value_json.position }}",
          set_position_topic: topics.command(id),
          position_open: range.max,
          position_closed: range.min,
        }),
        value_template:
          "{{ {'open': 'open', 'close': 'closed', 'stop': 'stopped'}.get(value_json.state, 'stopped') }}",
      },
    ];
  if (range)
    return [
      key,
      {
        p: "number",
        ...common,
        ...command,
        min: range.min,
        max: range.max,
        ...(range.unit !== "" && { unit_of_measurement: range.unit }),
        value_template: `{% set state = value_json.state %}{{ {'on': ${range.max}, 'off': ${range.min}}.get(state, state) }}`,
      },
    ];
  if (takes("on") && takes("off"))
    return [
      key,
      {
        p: "switch",
        ...common,
        ...command,
        payload_on: "on",
        payload_off: "off",
        state_on: "on",
        state_off: "off",
        value_template: "{{ value_json.state }}",
      },
    ];
  return [key, { p: "sensor", ...common, value_template: "{{ value_json.state }}" }];
}

const BUTTONS = {
  restart: { device_class: "restart", entity_category: "config" },
  identify: { device_class: "identify", entity_category: "config" },
  sample: { entity_category: "diagnostic" },
} as const;

function buttonsOf({ topics, nodeActions }: EntityContext): Entity[] {
  return Object.entries(BUTTONS)
    .filter(([action]) => nodeActions.includes(action))
    .map(([action, options]) => [
      `node-${action}`,
      {
        p: "button",
        name: title(action),
        command_topic: topics.command("node"),
        payload_press: JSON.stringify({ do: action }),
        qos: 1,
        ...options,
      },
    ]);
}

interface Diagnostic {
  readonly p?: "binary_sensor";
  readonly name: string;
  readonly value: string;
  readonly options: Readonly<Record<string, unknown>>;
}

const measured = (unit: string, more: Readonly<Record<string, unknown>> = {}) => ({
  unit_of_measurement: unit,
  state_class: "measurement",
  ...more,
});

/** What `health` says, by its path there. A quantity that the machine does not tell stays unknown. */
const DIAGNOSTICS: Readonly<Record<string, Diagnostic>> = {
  uptime: { name: "Uptime", value: "uptime_s", options: measured("s", { device_class: "duration" }) },
  cpu_temperature: {
    name: "CPU temperature",
    value: "cpu_temperature",
    options: measured("°C", { device_class: "temperature", suggested_display_precision: 1 }),
  },
  load: {
    name: "Load",
    value: "load_1m",
    options: { state_class: "measurement", suggested_display_precision: 2 },
  },
  memory: {
    name: "Memory available",
    value: "memory_available_bytes",
    options: measured("B", { device_class: "data_size" }),
  },
  disk: {
    name: "Disk free",
    value: "disk_free_bytes",
    options: measured("B", { device_class: "data_size" }),
  },
  signal: {
    name: "Signal strength",
    value: "link.signal_dbm",
    options: measured("dBm", { device_class: "signal_strength" }),
  },
  reconnects: {
    name: "Reconnects",
    value: "link.reconnects",
    options: { state_class: "total_increasing" },
  },
  boots: { name: "Boots", value: "boot", options: { state_class: "total_increasing" } },
  waiting: { name: "Records waiting", value: "outbox.depth", options: { state_class: "measurement" } },
  dropped: { name: "Records lost", value: "outbox.dropped", options: { state_class: "total_increasing" } },
  under_voltage: {
    p: "binary_sensor",
    name: "Under-voltage",
    value: "throttled.under_voltage",
    options: { device_class: "problem" },
  },
};

function diagnosticsOf({ config, topics }: EntityContext): Entity[] {
  const common = { state_topic: topics.health, entity_category: "diagnostic" } as const;
  const ofNode = Object.entries(DIAGNOSTICS).map(
    ([key, { p = "sensor", name, value, options }]): Entity => [
      `node-${key}`,
      {
        p,
        name,
        ...common,
        ...options,
        value_template: defined(
          value,
          p === "binary_sensor" ? `'ON' if value_json.${value} else 'OFF'` : `value_json.${value}`,
        ),
      },
    ],
  );
  const ofSensors = config.sensors.map(({ id }): Entity => {
    const state = `value_json.sensors['${id}'].state`;
    return [
      `fault-${id}`,
      {
        p: "binary_sensor",
        name: title(`${id} problem`),
        ...common,
        device_class: "problem",
        value_template: defined(`sensors['${id}'].state`, `'ON' if ${state} == 'failing' else 'OFF'`),
      },
    ];
  });
  return [...ofNode, ...ofSensors];
}

/** Nothing where the path leads nowhere, at any of its levels. */
function defined(path: string, value: string): string {
  const [first] = path.split(/[.[]/);
  const known =
    first === path
      ? `value_json.${path} is defined`
      : `value_json.${first} is defined and value_json.${path} is defined`;
  return `{% if ${known} %}{{ ${value} }}{% endif %}`;
}

/** An id as a person would write it: `soil_ph` is `Soil ph`. */
function title(id: string): string {
  const words = id.replaceAll(/[_-]+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
