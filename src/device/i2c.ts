import { type Clock, DeadlineError, withDeadline } from "./clock.ts";

/** One I2C bus as the program sees it. One method; everything else is a function built on it. */
export interface I2cBus {
  /** For people and error texts: `/dev/i2c-1`, `simulated main`. */
  readonly name: string;
  /**
   * Writes `write` to the 7-bit `address`, then reads `readLength` bytes (0: none), in one combined transfer where
   * the adapter can. Rejects with an {@link I2cError}; never resolves with fewer bytes than asked for.
   */
  transfer(address: number, write: Uint8Array, readLength: number): Promise<Uint8Array>;
  /** How often it was opened anew because a transfer had failed; absent: nothing has to be opened. */
  reopened?(): number;
  close(): Promise<void>;
}

/** A bus bound to one address: all that a sensor driver sees of the board. */
export interface I2cDevice {
  readonly address: number;
  exchange(write: readonly number[], readLength: number): Promise<Uint8Array>;
}

/**
 * What went wrong on the bus, by what mends it:
 * - `absent`: no chip acknowledged the address (wiring, power, address)
 * - `timeout`: the kernel or our deadline gave up (clock stretching, hung adapter)
 * - `stuck`: SDA or SCL is held low
 * - `arbitration`: another master won
 * - `owned`: a kernel driver holds the address (use `driver: iio` or `hwmon`)
 * - `short_read`: fewer bytes came than were asked for
 * - `no_bus`: the adapter does not exist or may not be opened
 * - `unsupported`: the adapter cannot do such a transfer
 * - `io`: anything else
 */
export type I2cFault =
  | "absent"
  | "timeout"
  | "stuck"
  | "arbitration"
  | "owned"
  | "short_read"
  | "no_bus"
  | "unsupported"
  | "io";

export class I2cError extends Error {
  override readonly name = "I2cError";
  readonly fault: I2cFault;
  constructor(fault: I2cFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
  }
}

/** Writes an address as datasheets do: `0x76`. */
export function formatAddress(address: number): string {
  return `0x${address.toString(16).padStart(2, "0")}`;
}

export function deviceAt(bus: I2cBus, address: number): I2cDevice {
  return {
    address,
    exchange: (write, readLength) => bus.transfer(address, Uint8Array.from(write), readLength),
  };
}

/**
 * Lets one transfer at a time onto a bus and gives each a deadline. A transfer that outlives its deadline keeps the
 * bus taken until it really ends (a second one beside it would corrupt both); those behind it fail with `timeout`.
 */
export function oneAtATime(bus: I2cBus, clock: Clock, deadlineMs: number): I2cBus {
  let last: Promise<unknown> = Promise.resolve();
  return {
    name: bus.name,
    async transfer(address, write, readLength) {
      let abandoned = false;
      const turn = last.then(() => {
        if (abandoned) throw new I2cError("timeout", `${bus.name}: the bus was still busy`);
        return bus.transfer(address, write, readLength);
      });
      last = turn.catch(() => {});
      try {
        return await withDeadline(clock, `${bus.name} ${formatAddress(address)}`, deadlineMs, turn);
      } catch (error) {
        abandoned = true;
        if (!(error instanceof DeadlineError)) throw error;
        throw new I2cError("timeout", error.message, { cause: error });
      }
    },
    ...(bus.reopened && { reopened: () => bus.reopened!() }),
    close: () => bus.close(),
  };
}
