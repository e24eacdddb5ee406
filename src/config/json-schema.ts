import { type ConversionConfig, toJsonSchema } from "@valibot/to-json-schema";
import * as v from "valibot";
import type { AnyActuatorKind } from "../actuators/kind.ts";
import { actuatorEntries } from "../actuators/settings.ts";
import { simulationSettings } from "../device/sim/settings.ts";
import { settings } from "../schema/settings.ts";
import type { AnySensorDriver } from "../sensors/driver.ts";
import { sensorEntries } from "../sensors/settings.ts";
import {
  actuatorDescriptions,
  blockDescriptions,
  mqttDescriptions,
  sensorDescriptions,
} from "./descriptions.ts";
import { conditionJsonSchema, rulesJsonSchema } from "./rules-schema.ts";
import { sections } from "./sections.ts";

export type JsonSchema = { readonly [key: string]: unknown };

type Properties = Readonly<Record<string, JsonSchema>>;

const conversion: ConversionConfig = { typeMode: "input", errorMode: "ignore" };

/**
 * JSON Schema (draft-07) of a configuration as it is written, for editors. It knows shapes and names; what depends on
 * two places at once (pins, references) is left to `fieldpost check`.
 */
export function configJsonSchema(
  drivers: ReadonlyMap<string, AnySensorDriver>,
  kinds: ReadonlyMap<string, AnyActuatorKind>,
): JsonSchema {
  const blocks = Object.entries({ ...sections, simulation: simulationSettings }).map(([name, schema]) => [
    name,
    block(name, schema),
  ]);
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Fieldpost configuration",
    type: "object",
    properties: {
      ...Object.fromEntries(blocks),
      sensors: list("sensors", [...drivers.values()].map(sensorVariant), OWN_DRIVER),
      actuators: list("actuators", [...kinds.values()].map(actuatorVariant)),
      rules: rulesJsonSchema(convert),
    },
    definitions: { condition: conditionJsonSchema(convert) },
    required: ["device", "mqtt"],
    additionalProperties: false,
  };
}

function block(name: string, schema: v.GenericSchema): JsonSchema {
  const converted = convert(schema);
  const properties = (converted["properties"] ?? {}) as Properties;
  const descriptions = name === "mqtt" ? mqttDescriptions : descriptionsIn(schema);
  const description = blockDescriptions[name];
  return { title: name, description, ...converted, properties: describe(properties, descriptions) };
}

/** The descriptions of a block's keys; the conversion loses one that stands behind a transformation (of a duration, say). */
function descriptionsIn(schema: v.GenericSchema): Readonly<Record<string, string>> {
  const { entries = {} } = unwrap(schema) as { entries?: v.ObjectEntries };
  return Object.fromEntries(
    Object.entries(entries).flatMap(([key, entry]) => {
      const description = v.getDescription(unwrap(entry as v.GenericSchema));
      return description === undefined ? [] : [[key, description]];
    }),
  );
}

/** What is within `v.optional`. */
function unwrap(schema: v.GenericSchema): v.GenericSchema {
  return "wrapped" in schema ? (schema.wrapped as v.GenericSchema) : schema;
}

function convert(schema: v.GenericSchema): JsonSchema {
  const { $schema: _, ...converted } = toJsonSchema(schema, conversion);
  return converted as JsonSchema;
}

/** One driver's name, and the whole shape of an item that has it. */
interface Variant {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly item: JsonSchema;
}

const OWN_DRIVER: JsonSchema = {
  type: "string",
  pattern: "^\\.{0,2}/",
  title: "a driver of one's own",
  description: "A path to a driver file, such as ./my-chip.js",
};

function sensorVariant(driver: AnySensorDriver): Variant {
  const { bus, address, ...offBus } = sensorEntries(driver.bus);
  const entries = {
    ...offBus,
    ...(driver.bus === "i2c" || driver.bus === "kernel" ? { bus, address } : {}),
    ...driver.options,
  };
  const item = itemSchema(entries as v.ObjectEntries, sensorDescriptions);
  return {
    name: driver.name,
    title: driver.chip,
    description: driver.description,
    item: limited(item, driver),
  };
}

/** What this chip takes of what its bus can do. */
function limited(item: JsonSchema, driver: AnySensorDriver): JsonSchema {
  if (driver.bus === "i2c") {
    return narrow(item, { address: { enum: driver.addresses, default: driver.addresses[0] } });
  }
  if (driver.bus !== "spi") return item;
  const { min, default: usual, max } = driver.speedHz;
  return narrow(item, {
    mode: { enum: driver.modes, default: driver.modes[0] },
    speed_hz: { minimum: min, maximum: max, default: usual },
  });
}

function narrow(item: JsonSchema, limits: Properties): JsonSchema {
  const properties = item["properties"] as Properties;
  const narrowed = Object.entries(limits).map(([key, limit]) => [key, { ...properties[key], ...limit }]);
  return { ...item, properties: { ...properties, ...Object.fromEntries(narrowed) } };
}

function actuatorVariant(kind: AnyActuatorKind): Variant {
  const { name, description } = kind;
  const item = itemSchema(actuatorEntries(kind), actuatorDescriptions);
  return { name, title: name, description, item };
}

function itemSchema(entries: v.ObjectEntries, descriptions: Readonly<Record<string, string>>): JsonSchema {
  const item = convert(settings(entries));
  return { ...item, properties: describe(item["properties"] as Properties, descriptions) };
}

function describe(properties: Properties, descriptions: Readonly<Record<string, string>>): Properties {
  return Object.fromEntries(
    Object.entries(properties).map(([key, schema]) => {
      const description = descriptions[key];
      return [key, description === undefined ? schema : { description, ...schema }];
    }),
  );
}

/** Items whose further keys follow from their `driver`. */
function list(name: string, variants: readonly Variant[], otherDriver?: JsonSchema): JsonSchema {
  const names = variants.map(({ name, title, description }) => ({ const: name, title, description }));
  return {
    title: name,
    description: blockDescriptions[name],
    type: "array",
    default: [],
    items: {
      type: "object",
      required: ["id", "driver"],
      properties: { driver: { anyOf: otherDriver ? [...names, otherDriver] : names } },
      allOf: variants.map(({ name, item }) => ({
        if: { required: ["driver"], properties: { driver: { const: name } } },
        // biome-ignore lint/suspicious/noThenProperty: JSON Schema's own keyword
        then: item,
      })),
    },
  };
}
