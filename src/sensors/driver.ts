import type * as v from "valibot";
import type { Clock } from "../device/clock.ts";
import type { Gpio, Pin } from "../device/gpio.ts";
import type { Host } from "../device/host.ts";
import type { I2cDevice } from "../device/i2c.ts";
import type { KernelChips, Subsystem } from "../device/kernel-chips.ts";
import type { OneWire } from "../device/one-wire.ts";
import type { SerialPort } from "../device/serial.ts";
import type { SpiDevice, SpiMode } from "../device/spi.ts";
import type { Messages } from "./messages.ts";

/** What a sensor measured, by field name (snake_case), in the units that the driver's fields state. */
export type Measurements = Readonly<Record<string, number | boolean>>;

/** One quantity that a sensor reports. */
export interface Field {
  /** The fixed unit of its quantity (`°C`, `%`, `hPa`, `V`); empty for a plain count or a boolean. */
  readonly unit: string;
  /** The field is `true` or `false`. */
  readonly boolean?: true;
  /** Decimal places that the chip's resolution justifies; readings are rounded to it. */
  readonly precision: number;
  /** Home Assistant's device class, where it has one. */
  readonly deviceClass?: string;
  /** How consumers should treat the number over time. Default: `measurement`. */
  readonly stateClass?: "measurement" | "total" | "total_increasing";
  /** An amount since the previous reading: that of a reading which is not sent is added to the next one's. */
  readonly accumulates?: true;
}

export type Fields = Readonly<Record<string, Field>>;

/** An opened sensor. */
export interface Sensor {
  /** One measurement, unrounded. Rejects with the bus's error or a {@link SensorError}. */
  read(): Promise<Measurements>;
  /** For sensors that speak on their own (a switch): every change as it happens, until `signal` aborts. */
  changes?(signal: AbortSignal): AsyncIterable<Measurements>;
  close?(): Promise<void>;
}

/** Fields that depend on the options. A method's type, so that the registry can forget the options' types. */
type FieldsFrom<E extends v.ObjectEntries> = { fields(options: Options<E>): Fields }["fields"];

/**
 * A driver's `open` gets the one bus it needs, the validated options, the clock, and the node's messages, whose
 * subscriptions and listeners end when the sensor is closed.
 */
interface DriverBase<E extends v.ObjectEntries> {
  /** What a configuration calls it: `bme280`. */
  readonly name: string;
  /** For people: `Bosch BME280`. */
  readonly chip: string;
  readonly description: string;
  /** Title and revision or an address of the document that the numbers come from. */
  readonly datasheet: string;
  readonly fields: Fields | FieldsFrom<E>;
  /** The driver's own keys in a sensor's configuration, beside the common ones. */
  readonly options: E;
}

/** The driver's options after validation. */
export type Options<E extends v.ObjectEntries> = v.InferOutput<v.StrictObjectSchema<E, undefined>>;

/** A chip on I2C. */
export interface I2cDriver<E extends v.ObjectEntries = v.ObjectEntries> extends DriverBase<E> {
  readonly bus: "i2c";
  /** 7-bit addresses the chip can have; the first is its default. */
  readonly addresses: readonly number[];
  open(device: I2cDevice, options: Options<E>, clock: Clock, messages: Messages): Promise<Sensor>;
}

/** A chip on SPI. */
export interface SpiDriver<E extends v.ObjectEntries = v.ObjectEntries> extends DriverBase<E> {
  readonly bus: "spi";
  /** The modes that the chip understands; the first is its default. */
  readonly modes: readonly SpiMode[];
  /** Clock rates that the chip takes. The default must do on wires of a hand's length. */
  readonly speedHz: { readonly min: number; readonly default: number; readonly max: number };
  open(device: SpiDevice, options: Options<E>, clock: Clock, messages: Messages): Promise<Sensor>;
}

/** A chip at the other end of a serial line. */
export interface SerialDriver<E extends v.ObjectEntries = v.ObjectEntries> extends DriverBase<E> {
  readonly bus: "serial";
  /** With eight data bits, no parity and one stop bit. */
  readonly baudRate: number;
  open(port: SerialPort, options: Options<E>, clock: Clock, messages: Messages): Promise<Sensor>;
}

/** A thermometer on the kernel's 1-Wire bus. */
export interface OneWireDriver<E extends v.ObjectEntries = v.ObjectEntries> extends DriverBase<E> {
  readonly bus: "one_wire";
  open(wire: OneWire, options: Options<E>, clock: Clock, messages: Messages): Promise<Sensor>;
}

/** Something wired to GPIO lines. */
export interface GpioDriver<E extends v.ObjectEntries = v.ObjectEntries> extends DriverBase<E> {
  readonly bus: "gpio";
  /** The lines it takes, so that a configuration with two users of one pin is refused. */
  pins(options: Options<E>): readonly Pin[];
  open(gpio: Gpio, options: Options<E>, clock: Clock, messages: Messages): Promise<Sensor>;
}

/** Where on an I2C bus a kernel driver's chip is. */
export interface KernelPlace {
  readonly devicePath: string;
  readonly address: number;
}

/** A chip that a driver of the kernel serves. Built in only: it gets no messages. */
export interface KernelDriver<E extends v.ObjectEntries = v.ObjectEntries> extends DriverBase<E> {
  readonly bus: "kernel";
  readonly subsystem: Subsystem;
  /** The chips whose fields are known. */
  readonly knownNames: readonly string[];
  /** The field that each of the kernel's channels becomes; none where the options do not say enough. */
  channels(options: Options<E>): Readonly<Record<string, string>>;
  open(
    board: { readonly chips: KernelChips; readonly at: KernelPlace | undefined },
    options: Options<E>,
    clock: Clock,
  ): Promise<Sensor>;
}

/** The machine itself. */
export interface HostDriver<E extends v.ObjectEntries = v.ObjectEntries> extends DriverBase<E> {
  readonly bus: "host";
  open(host: Host, options: Options<E>, clock: Clock, messages: Messages): Promise<Sensor>;
}

export type SensorDriver<E extends v.ObjectEntries = v.ObjectEntries> =
  | I2cDriver<E>
  | SpiDriver<E>
  | SerialDriver<E>
  | OneWireDriver<E>
  | GpioDriver<E>
  | KernelDriver<E>
  | HostDriver<E>;

/**
 * A driver whose options' types have been forgotten, as the registry holds it. Safe because a configuration is
 * validated against `options` before `open` sees it.
 */
// biome-ignore lint/suspicious/noExplicitAny: the registry is where the options' types are erased, on purpose
export type AnySensorDriver = SensorDriver<any>;

/** Gives a driver record its types. What a user's own driver file exports as default. */
export function defineDriver<const E extends v.ObjectEntries, D extends SensorDriver<E>>(
  driver: D & { readonly options: E },
): D {
  return driver;
}

/**
 * - `wrong_chip`: something answered, but not this chip
 * - `crc`: the answer's checksum is wrong
 * - `not_ready`: the chip did not finish in the time its datasheet states
 * - `power_on_value`: the chip answered with its reset value instead of a measurement
 * - `out_of_range`: outside what the chip can measure
 * - `disconnected`: the chip or its bus went away
 */
export type SensorFault =
  | "wrong_chip"
  | "crc"
  | "not_ready"
  | "power_on_value"
  | "out_of_range"
  | "disconnected";

export class SensorError extends Error {
  override readonly name = "SensorError";
  readonly fault: SensorFault;
  constructor(fault: SensorFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
  }
}

export function fieldsOf(driver: AnySensorDriver, options: Readonly<Record<string, unknown>>): Fields {
  return typeof driver.fields === "function" ? driver.fields(options) : driver.fields;
}
