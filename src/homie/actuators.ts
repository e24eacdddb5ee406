import type { ActuatorValue } from "../actuators/kind.ts";
import type { ActuatorConfig } from "../config/config.ts";
import type { Property } from "./description.ts";

/** A property that an actuator has: what it is, what it shows and what it takes. */
export interface ActuatorProperty {
  readonly id: string;
  readonly property: Property;
  /** The payload of a state; undefined: this property does not show it. */
  show(state: ActuatorValue, details: Readonly<Record<string, number>>): string | undefined;
  /** What a payload of the `set` topic wants; undefined: it is none of the property's. */
  read(payload: string): ActuatorValue | undefined;
}

/** Homie convention 5.0, "Float": digits, sign, point and exponent. */
const FLOAT = /^-?\d{1,20}(\.\d{1,20})?([eE]-?\d{1,3})?$/;

type Takes = (value: ActuatorValue) => boolean;

/** By what an actuator takes, not by its kind's name. */
export function propertiesOf(
  actuator: ActuatorConfig,
  all: readonly ActuatorConfig[],
): readonly ActuatorProperty[] {
  const takes = takenBy(actuator, all);
  const range = actuator.kind.range?.(actuator.options);
  if (takes("open") && takes("close") && !takes("on"))
    return [
      words(["open", "close", "stop"].filter((word) => takes(word as ActuatorValue))),
      ...(range ? [number("position", range, (_, { position }) => position)] : []),
    ];
  if (range) {
    const inNumbers = (state: ActuatorValue) =>
      state === "on" ? range.max : state === "off" ? range.min : state;
    return [number("state", range, inNumbers)];
  }
  if (takes("on") && takes("off")) return [SWITCH];
  return [
    { id: "state", property: { name: "State", datatype: "string" }, show: String, read: () => undefined },
  ];
}

/** A group takes what each of its members does. */
function takenBy({ kind, options }: ActuatorConfig, all: readonly ActuatorConfig[]): Takes {
  if (kind.name !== "group") return (value) => kind.accepts(value, options);
  const members = all.filter(({ id }) => (options["members"] as readonly string[]).includes(id));
  return (value) => members.every((member) => member.kind.accepts(value, member.options));
}

const SWITCH: ActuatorProperty = {
  id: "state",
  property: { name: "State", datatype: "boolean", format: "off,on", settable: true },
  show: (state) => (state === "on" ? "true" : state === "off" ? "false" : undefined),
  read: (payload) => (payload === "true" ? "on" : payload === "false" ? "off" : undefined),
};

function words(values: readonly string[]): ActuatorProperty {
  return {
    id: "state",
    property: { name: "State", datatype: "enum", format: values.join(","), settable: true },
    show: (state) => (values.includes(String(state)) ? String(state) : undefined),
    read: (payload) => (values.includes(payload) ? (payload as ActuatorValue) : undefined),
  };
}

function number(
  id: string,
  { min, max, unit }: { readonly min: number; readonly max: number; readonly unit: string },
  numberOf: (state: ActuatorValue, details: Readonly<Record<string, number>>) => unknown,
): ActuatorProperty {
  return {
    id,
    property: {
      name: id === "state" ? "State" : "Position",
      datatype: "float",
      format: `${min}:${max}`,
      ...(unit !== "" && { unit }),
      settable: true,
    },
    show(state, details) {
      const value = numberOf(state, details);
      return typeof value === "number" ? String(value) : undefined;
    },
    read(payload) {
      const value = FLOAT.test(payload) ? Number(payload) : Number.NaN;
      return value >= min && value <= max ? value : undefined;
    },
  };
}
