import { type ActuatorValue, isOnFor } from "../actuators/kind.ts";
import type { ActuatorConfig } from "../config/config.ts";
import type { Property } from "./description.ts";

/** A property that an actuator has: what it is, what it shows and what it takes. */
export interface ActuatorProperty {
  readonly id: string;
  readonly property: Property;
  /** The payload of a state; undefined: there is none for it, and an older one would be wrong. */
  show(state: ActuatorValue, details: Readonly<Record<string, number>>): string | undefined;
  /** What a payload of the `set` topic wants; undefined: it is none of the property's. */
  read(payload: string): ActuatorValue | undefined;
}

/** What an actuator does with values: of a group, what all of its members do. */
interface Nature {
  takes(value: ActuatorValue): boolean;
  isOn(state: ActuatorValue): boolean;
  /** The numbers that it takes lie within. */
  readonly range?: Range | undefined;
  readonly isGroup: boolean;
}

interface Range {
  readonly min: number;
  readonly max: number;
  readonly unit: string;
}

/** Homie convention 5.0, "Float": digits, sign, point and exponent. */
const FLOAT = /^-?\d{1,20}(\.\d{1,20})?([eE]-?\d{1,3})?$/;

/** By what an actuator takes, not by its kind's name. */
export function propertiesOf(
  actuator: ActuatorConfig,
  all: readonly ActuatorConfig[],
): readonly ActuatorProperty[] {
  const nature = natureOf(actuator, all);
  const { takes, isOn, range, isGroup } = nature;
  if (takes("open") && takes("close") && !takes("on"))
    return [direction(nature), ...(range ? [number("position", nature, range, atPosition)] : [])];
  const isSwitch = takes("on") && takes("off");
  if (isSwitch && (isGroup || !range)) return [onOff(isOn)];
  const offIsZero = takes(0) && !isOn(0);
  const state = range
    ? number("state", nature, range, (value) => {
        if (value === "off") return offIsZero ? 0 : undefined;
        // Of a group it may be that each runs at another number.
        return value === "on" && isSwitch ? range.max : value;
      })
    : WORD;
  return [state, ...(takes("off") && !(range && offIsZero) ? [OFF] : [])];
}

function natureOf(actuator: ActuatorConfig, all: readonly ActuatorConfig[]): Nature {
  const { kind, options } = actuator;
  const isGroup = kind.name === "group";
  const members = isGroup
    ? all.filter(({ id }) => (options["members"] as readonly string[]).includes(id))
    : [actuator];
  return {
    isGroup,
    takes: (value) => members.every((member) => member.kind.accepts(value, member.options)),
    isOn: (state) => members.some((member) => isOnFor(member.kind, state)),
    range: common(members.map((member) => withZero(member))),
  };
}

/** Where 0 is off, it is taken below the least number at which something runs, too. */
function withZero({ kind, options }: ActuatorConfig): Range | undefined {
  const range = kind.range?.(options);
  return range && kind.accepts(0, options) ? { ...range, min: Math.min(0, range.min) } : range;
}

/** What lies within all of the ranges. */
function common(ranges: readonly (Range | undefined)[]): Range | undefined {
  const [first, ...others] = ranges;
  if (!first) return undefined;
  const { unit } = first;
  let { min, max } = first;
  for (const other of others) {
    if (other?.unit !== unit) return undefined;
    min = Math.max(min, other.min);
    max = Math.min(max, other.max);
  }
  return min < max ? { min, max, unit } : undefined;
}

function onOff(isOn: Nature["isOn"]): ActuatorProperty {
  return {
    id: "state",
    property: { name: "State", datatype: "boolean", format: "off,on", settable: true },
    show: (state) => String(isOn(state)),
    read: (payload) => (payload === "true" ? "on" : payload === "false" ? "off" : undefined),
  };
}

/** Of a cover on its way to a position: where that lies. */
function direction({ takes }: Nature): ActuatorProperty {
  const values = ["open", "close", "stop"].filter((word) => takes(word as ActuatorValue));
  return {
    id: "state",
    property: { name: "State", datatype: "enum", format: values.join(","), settable: true },
    show(state, { position }) {
      if (typeof state !== "number") return values.includes(state) ? state : undefined;
      if (position === undefined) return undefined;
      return state > position ? "open" : state < position ? "close" : "stop";
    },
    read: (payload) => (values.includes(payload) ? (payload as ActuatorValue) : undefined),
  };
}

const atPosition = (_: ActuatorValue, { position }: Readonly<Record<string, number>>) => position;

function number(
  id: string,
  { takes }: Nature,
  { min, max, unit }: Range,
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
      return takes(value) ? value : undefined;
    },
  };
}

/** What is neither a switch nor a number: a group of unlike members. */
const WORD: ActuatorProperty = {
  id: "state",
  property: { name: "State", datatype: "string" },
  show: String,
  read: () => undefined,
};

/** Where no value of the state means it: a servo without pulses, a stepper without current. */
const OFF: ActuatorProperty = {
  id: "action",
  property: { name: "Action", datatype: "enum", format: "off", settable: true, retained: false },
  show: () => undefined,
  read: (payload) => (payload === "off" ? "off" : undefined),
};
