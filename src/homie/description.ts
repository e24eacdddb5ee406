import type { Config } from "../config/config.ts";
import { homieId, isHomieId, MACHINE } from "../mqtt/convention/homie-id.ts";
import { type Field, fieldsOf } from "../sensors/driver.ts";
import { filteredFields } from "../sensors/filters.ts";
import { propertiesOf } from "./actuators.ts";

/** One property as the description has it. Source: Homie convention 5.0, "Property Attributes". */
export interface Property {
  readonly name: string;
  readonly datatype: "integer" | "float" | "boolean" | "string" | "enum" | "json";
  readonly format?: string;
  readonly unit?: string;
  /** Default: false. */
  readonly settable?: boolean;
  /** Default: true. */
  readonly retained?: boolean;
}

interface HomieNode {
  readonly name: string;
  readonly type: string;
  readonly properties: Readonly<Record<string, Property>>;
}

export type Nodes = Readonly<Record<string, HomieNode>>;

/** The whole record of a sensor, and an event, as the contract's JSON. */
export const READING = "reading";
export const EVENT = "event";
export const ACTION = "action";

/** What `health` says, by the property that shows it. */
export const HEALTH: Readonly<Record<string, Property & { readonly from: readonly [string, string?] }>> = {
  uptime: { name: "Uptime", datatype: "integer", unit: "s", from: ["uptime_s"] },
  "cpu-temperature": { name: "CPU temperature", datatype: "float", unit: "°C", from: ["cpu_temperature"] },
  "records-waiting": { name: "Records waiting", datatype: "integer", unit: "#", from: ["outbox", "depth"] },
  "records-lost": { name: "Records lost", datatype: "integer", unit: "#", from: ["outbox", "dropped"] },
};

export function nodesOf(config: Config, actions: readonly string[]): Nodes {
  const sensors = config.sensors.map(({ id, driver, options, filters }) => [
    homieId(id),
    {
      name: id,
      type: driver.name,
      properties: {
        ...Object.fromEntries(
          Object.entries(filteredFields(fieldsOf(driver, options), filters)).map(([name, field]) => [
            homieId(name),
            propertyOf(name, field),
          ]),
        ),
        [READING]: { name: "Whole reading", datatype: "json" },
      },
    },
  ]);
  const actuators = config.actuators.map((actuator) => [
    homieId(actuator.id),
    {
      name: actuator.id,
      type: actuator.kind.name,
      properties: Object.fromEntries(
        propertiesOf(actuator, config.actuators).map(({ id, property }) => [id, property]),
      ),
    },
  ]);
  return Object.fromEntries([...sensors, ...actuators, [MACHINE, machine(actions)]]) as Nodes;
}

function propertyOf(name: string, { unit, boolean }: Field): Property {
  if (boolean) return { name, datatype: "boolean" };
  return { name, datatype: "float", ...(unit !== "" && { unit }) };
}

function machine(actions: readonly string[]): HomieNode {
  return {
    name: "Node",
    type: "fieldpost",
    properties: {
      [EVENT]: { name: "Event", datatype: "json" },
      ...Object.fromEntries(
        Object.entries(HEALTH).map(([id, { from: _path, ...property }]) => [id, property]),
      ),
      [ACTION]: {
        name: "Action",
        datatype: "enum",
        format: actions.join(","),
        settable: true,
        retained: false,
      },
    },
  };
}

/** The `$description`. Its version is another whenever its contents are. */
export function descriptionOf({ device }: Config, nodes: Nodes): string {
  const rest = { name: device.name ?? device.id, type: "fieldpost", nodes };
  return JSON.stringify({ homie: "5.0", version: checksum(JSON.stringify(rest)), ...rest });
}

/** FNV-1a, 32 bits: a whole number that any consumer can hold. */
function checksum(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

/** The topics below the device's at which a description has something retained; none where it cannot be read. */
export function topicsIn(description: string): readonly string[] {
  try {
    const { nodes } = JSON.parse(description) as { nodes?: Record<string, Partial<HomieNode>> };
    return Object.entries(nodes ?? {})
      .filter(([node]) => isHomieId(node))
      .flatMap(([node, { properties = {} }]) => [
        `$alert/${node}`,
        ...Object.keys(properties)
          .filter(isHomieId)
          .map((property) => `${node}/${property}`),
      ]);
  } catch {
    return [];
  }
}
