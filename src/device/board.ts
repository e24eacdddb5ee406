import type { Gpio } from "./gpio.ts";
import type { Host } from "./host.ts";
import type { I2cBus } from "./i2c.ts";
import type { OneWire } from "./one-wire.ts";
import type { Pwm } from "./pwm.ts";

/** What is wired to the node and what it is. Two implementations: `linux/` and `sim/`. */
export interface Board {
  readonly gpio: Gpio;
  readonly oneWire: OneWire;
  readonly pwm: Pwm;
  readonly host: Host;
  /** The device path of the bus that users wire sensors to (`/dev/i2c-1` on a Raspberry Pi). */
  readonly defaultI2c: string;
  /** The bus at a device path. Same object for the same path: one transfer at a time. */
  i2c(devicePath: string): I2cBus;
  close(): Promise<void>;
}
