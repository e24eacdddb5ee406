/** Where the kernel shows the chips that its own drivers serve: Industrial I/O, and hardware monitoring. */
export type Subsystem = "iio" | "hwmon";

/** A chip that a driver of the kernel serves, with its quantities as small text files. */
export interface KernelChip {
  /** The kernel's own name for it: `iio:device0`, `hwmon1`. Changes from boot to boot. */
  readonly id: string;
  /** What it calls itself, and what the bus knows it as: some drivers (si7020, hdc100x) give only their place. */
  readonly names: readonly string[];
  /** Where it hangs, if that is an I2C bus. */
  readonly i2c: { readonly devicePath: string; readonly address: number } | undefined;
  /** Names of its files (`in_temp_input`, `temp1_input`). */
  readonly attributes: readonly string[];
  /** The text of one. Rejects with a {@link KernelChipError}. */
  read(attribute: string): Promise<string>;
}

export interface KernelChips {
  /** Those there are now: none where the kernel has no such subsystem. */
  list(subsystem: Subsystem): Promise<readonly KernelChip[]>;
}

/**
 * - `absent`: the chip or its file has gone
 * - `busy`: it has no value yet, or another program has it
 * - `denied`: no permission
 * - `timeout`: the driver gave no answer in time
 * - `io`: the driver could not reach the chip
 */
export type KernelChipFault = "absent" | "busy" | "denied" | "timeout" | "io";

export class KernelChipError extends Error {
  override readonly name = "KernelChipError";
  readonly fault: KernelChipFault;
  constructor(fault: KernelChipFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
  }
}

/** A kind of channel: what the kernel calls it, and how its number becomes the unit that the node speaks. */
export interface Quantity {
  /** Name of the field. */
  readonly field: string;
  readonly unit: string;
  readonly precision: number;
  readonly deviceClass?: string;
  /** Units of the node in one of the kernel's. */
  readonly factor: number;
}

const temperature = { field: "temperature", unit: "°C", precision: 2, deviceClass: "temperature" };
const humidity = { field: "humidity", unit: "%", precision: 2, deviceClass: "humidity" };
const voltage = { field: "voltage", unit: "V", precision: 3, deviceClass: "voltage" };
const current = { field: "current", unit: "A", precision: 3, deviceClass: "current" };
const power = { field: "power", unit: "W", precision: 3, deviceClass: "power" };
const energy = { field: "energy", unit: "Wh", precision: 3, deviceClass: "energy" };

const MILLI = 1e-3;
const MICRO = 1e-6;
const JOULES_IN_WH = 3_600;

/**
 * By the type in a channel's name (`in_TYPE…`). Units after scale and offset: Documentation/ABI/testing/sysfs-bus-iio
 * (milli°C, milli-percent, kilopascal, mV, mA, mW, J, m/s², rad/s, gauss, lux, percent of a substance, µg/m³, ohm, m).
 */
const IIO: Readonly<Record<string, Quantity>> = {
  temp: { ...temperature, factor: MILLI },
  humidityrelative: { ...humidity, factor: MILLI },
  pressure: { field: "pressure", unit: "hPa", precision: 2, deviceClass: "atmospheric_pressure", factor: 10 },
  illuminance: { field: "illuminance", unit: "lx", precision: 1, deviceClass: "illuminance", factor: 1 },
  voltage: { ...voltage, factor: MILLI },
  current: { ...current, factor: MILLI },
  power: { ...power, factor: MILLI },
  energy: { ...energy, factor: 1 / JOULES_IN_WH },
  resistance: { field: "resistance", unit: "Ω", precision: 0, factor: 1 },
  accel: { field: "acceleration", unit: "m/s²", precision: 3, factor: 1 },
  anglvel: { field: "angular_rate", unit: "°/s", precision: 2, factor: 180 / Math.PI },
  magn: { field: "magnetic_field", unit: "µT", precision: 2, factor: 100 },
  distance: { field: "distance", unit: "mm", precision: 0, deviceClass: "distance", factor: 1_000 },
  concentration: { field: "concentration", unit: "ppm", precision: 0, factor: 10_000 },
  // Air has thousandths of a ppm of these.
  concentration_voc: { field: "volatile_organics", unit: "ppm", precision: 3, factor: 10_000 },
  massconcentration: { field: "mass_concentration", unit: "µg/m³", precision: 1, factor: 1 },
  uvindex: { field: "uv_index", unit: "", precision: 1, factor: 1 },
  intensity: { field: "intensity", unit: "", precision: 0, factor: 1 },
  proximity: { field: "proximity", unit: "", precision: 0, factor: 1 },
};

/** By the type of a channel. Units: Documentation/ABI/testing/sysfs-class-hwmon (millivolt, milli°C, microwatt …). */
const HWMON: Readonly<Record<string, Quantity>> = {
  temp: { ...temperature, factor: MILLI },
  humidity: { ...humidity, factor: MILLI },
  in: { ...voltage, factor: MILLI },
  curr: { ...current, factor: MILLI },
  power: { ...power, factor: MICRO },
  energy: { ...energy, factor: MICRO / JOULES_IN_WH },
  fan: { field: "fan", unit: "rpm", precision: 0, factor: 1 },
  freq: { field: "frequency", unit: "Hz", precision: 0, deviceClass: "frequency", factor: 1 },
};

/** The type in a channel's name: `temp` of `in_temp`, `voltage` of `in_voltage0`, `in` of `in1`. */
export function channelType(subsystem: Subsystem, channel: string): string | undefined {
  return (subsystem === "iio" ? /^in_([a-z]+)/ : /^([a-z]+)\d+$/).exec(channel)?.[1];
}

/** What a channel measures; undefined where this program does not know its unit. */
export function quantityOf(subsystem: Subsystem, channel: string): Quantity | undefined {
  const table = subsystem === "iio" ? IIO : HWMON;
  const kinds = [channel.replace(/^in_/, ""), channelType(subsystem, channel) ?? ""];
  const kind = kinds.find((name) => Object.hasOwn(table, name));
  return kind === undefined ? undefined : table[kind];
}

/** The channels that a chip's files belong to, in their order. */
export function channelsOf(subsystem: Subsystem, attributes: readonly string[]): readonly string[] {
  const pattern = subsystem === "iio" ? /^(in_.+)_(?:input|raw)$/ : /^([a-z]+\d+)_input$/;
  return [...new Set(attributes.flatMap((name) => pattern.exec(name)?.[1] ?? []))];
}
