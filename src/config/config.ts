import type * as v from "valibot";
import type { AnyActuatorKind } from "../actuators/kind.ts";
import type { commonActuatorEntries } from "../actuators/settings.ts";
import type { SimulationSettings } from "../device/sim/settings.ts";
import type { SpiMode } from "../device/spi.ts";
import type { MqttSettings } from "../mqtt/broker/settings.ts";
import type { Rule } from "../rules/rule.ts";
import type { AnySensorDriver } from "../sensors/driver.ts";
import type { CommonSensorSettings } from "../sensors/settings.ts";
import type { ReadCredentials } from "./credentials.ts";
import type { Sections } from "./sections.ts";

type CommonActuatorSettings = v.InferOutput<v.StrictObjectSchema<typeof commonActuatorEntries, undefined>>;

/** Keys are those of the YAML; durations are milliseconds and sizes bytes. Frozen through and through. */
export interface Config extends Omit<Sections, "mqtt"> {
  readonly mqtt: Omit<MqttSettings, "client_id" | "topic_root"> & {
    readonly client_id: string;
    readonly topic_root: string;
    /** Where user or password come from a file: reads them anew, as they may have changed. */
    readonly readCredentials?: ReadCredentials;
  };
  readonly sensors: readonly SensorConfig[];
  readonly actuators: readonly ActuatorConfig[];
  readonly rules: readonly Rule[];
  readonly simulation: SimulationSettings;
}

export interface SensorConfig
  extends Readonly<Omit<CommonSensorSettings, "driver" | "bus" | "address" | "interval">> {
  readonly driver: AnySensorDriver;
  /** The driver's own options, validated. */
  readonly options: Readonly<Record<string, unknown>>;
  /** I2C only: the bus's name, or its device path where the configuration names one. `main` is the board's own. */
  readonly bus?: string;
  /** I2C only: the adapter's device path. Absent: the board's user bus. */
  readonly i2cPath?: string;
  /** I2C only: the 7-bit address. */
  readonly address?: number;
  /** SPI and serial only: the chip select's or the port's device path. */
  readonly devicePath?: string;
  /** SPI only. */
  readonly mode?: SpiMode;
  /** SPI only. */
  readonly speedHz?: number;
  /** Milliseconds. */
  readonly interval: number;
}

export interface ActuatorConfig extends Readonly<Omit<CommonActuatorSettings, "driver">> {
  readonly kind: AnyActuatorKind;
  /** Where the output is an I2C chip of its own: its bus, that bus's device path and its 7-bit address. */
  readonly bus?: string;
  readonly i2cPath?: string;
  readonly address?: number;
  /** The kind's own options, validated, and the same three. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** Freezes plain objects and lists; drivers, kinds and whatever else has behaviour stay as they are. */
export function freezeDeep<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  const prototype = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) return value;
  Object.freeze(value);
  for (const inner of Object.values(value)) freezeDeep(inner);
  return value;
}
