import type { Gpio } from "./gpio.ts";
import type { Host } from "./host.ts";
import type { I2cBus } from "./i2c.ts";
import type { Inventory } from "./inventory.ts";
import type { KernelChips } from "./kernel-chips.ts";
import type { Lamp } from "./lamp.ts";
import type { OneWire } from "./one-wire.ts";
import type { Pwm } from "./pwm.ts";
import type { SerialPort, SerialSettings } from "./serial.ts";
import type { SpiDevice, SpiSettings } from "./spi.ts";

/** What is wired to the node and what it is. Two implementations: `linux/` and `sim/`. */
export interface Board {
  readonly gpio: Gpio;
  readonly oneWire: OneWire;
  readonly pwm: Pwm;
  /** What the kernel's own drivers serve. */
  readonly chips: KernelChips;
  readonly host: Host;
  /** Absent: there is none. */
  readonly lamp?: Lamp;
  /** The device path of the bus that users wire sensors to (`/dev/i2c-1` on a Raspberry Pi). */
  readonly defaultI2c: string;
  /** The bus at a device path. Same object for the same path: one transfer at a time. */
  i2c(devicePath: string): I2cBus;
  /** The chip select at a device path, which has one user. Same object for the same path. */
  spi(settings: SpiSettings): Promise<SpiDevice>;
  /** The port at a device path, which has one user. Same object for the same path. */
  serial(settings: SerialSettings): Promise<SerialPort>;
  /** What was done about chips that failed, by bus that is in use; absent: nothing is counted. */
  recoveries?(): Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** What there is, whether or not anything uses it. */
  inventory(): Promise<Inventory>;
  close(): Promise<void>;
}
