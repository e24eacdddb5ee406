import type { ActuatorValue } from "../actuators/kind.ts";
import type { Config } from "../config/config.ts";
import type { Host } from "../device/host.ts";
import type { Wishes } from "../rules/rule.ts";
import { type Fields, fieldsOf } from "../sensors/driver.ts";
import { filteredFields } from "../sensors/filters.ts";

/** What an actuator can be set to besides numbers. */
const VALUES = ["on", "off", "open", "close", "stop"] as const;

/** The payload of `about` (contract, section 3): what this node is, and what its readings and actuators mean. */
export function aboutNode(config: Config, host: Host, version: string): string {
  return JSON.stringify({
    device: config.device,
    version,
    board: { model: host.model, serial: host.serial, hostname: host.hostname },
    sensors: Object.fromEntries(
      config.sensors.map((sensor) => [
        sensor.id,
        {
          driver: sensor.driver.name,
          chip: sensor.driver.chip,
          interval_s: sensor.interval / 1000,
          fields: describe(filteredFields(fieldsOf(sensor.driver, sensor.options), sensor.filters)),
        },
      ]),
    ),
    actuators: Object.fromEntries(
      config.actuators.map((actuator) => [
        actuator.id,
        {
          driver: actuator.kind.name,
          values: VALUES.filter((value) => actuator.kind.accepts(value, actuator.options)),
          ...(actuator.kind.range && { range: actuator.kind.range(actuator.options) }),
          initial: actuator.initial,
          safe: actuator.safe,
        },
      ]),
    ),
    rules: config.rules.map(({ id, words, set, otherwise }) => ({
      id,
      when: words,
      set: valuesOf(set),
      ...(Object.keys(otherwise).length > 0 && { otherwise: valuesOf(otherwise) }),
    })),
  });
}

function valuesOf(wishes: Wishes): Record<string, ActuatorValue> {
  return Object.fromEntries(Object.entries(wishes).map(([actuator, { set }]) => [actuator, set]));
}

function describe(fields: Fields): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, { unit, precision, deviceClass, stateClass }]) => [
      name,
      { unit, precision, device_class: deviceClass, state_class: stateClass ?? "measurement" },
    ]),
  );
}
