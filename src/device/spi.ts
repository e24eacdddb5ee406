import { type Clock, DeadlineError, withDeadline } from "./clock.ts";

/** Clock polarity and phase: 0 is (0, 0), 1 is (0, 1), 2 is (1, 0), 3 is (1, 1). */
export type SpiMode = 0 | 1 | 2 | 3;

export interface SpiSettings {
  /** `/dev/spidev0.1`: bus 0, chip select 1. */
  readonly devicePath: string;
  readonly mode: SpiMode;
  /** The fastest that the clock may be. */
  readonly speedHz: number;
}

/** One chip select: all that a sensor driver sees of an SPI bus. */
export interface SpiDevice {
  /** For people and error texts: `/dev/spidev0.1`. */
  readonly name: string;
  /**
   * Selects the chip, sends `bytes` and takes as many in at the same time. Nobody acknowledges on SPI: without a chip
   * it resolves with what the line floats to. Rejects with an {@link SpiError}.
   */
  transfer(bytes: readonly number[]): Promise<Uint8Array>;
  close(): Promise<void>;
}

/**
 * - `no_bus`: the device does not exist or may not be opened
 * - `unsupported`: the controller cannot do this mode or speed
 * - `timeout`: the controller gave up
 * - `io`: anything else
 */
export type SpiFault = "no_bus" | "unsupported" | "timeout" | "io";

export class SpiError extends Error {
  override readonly name = "SpiError";
  readonly fault: SpiFault;
  constructor(fault: SpiFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
  }
}

/**
 * Gives each transfer a deadline. One that outlives it keeps the chip select taken until it really ends, and until then
 * every other fails with `timeout`.
 */
export function withinDeadline(device: SpiDevice, clock: Clock, deadlineMs: number): SpiDevice {
  let busy = false;
  return {
    name: device.name,
    async transfer(bytes) {
      if (busy) throw new SpiError("timeout", `${device.name}: the transfer before has not ended`);
      busy = true;
      const work = device.transfer(bytes).finally(() => {
        busy = false;
      });
      try {
        return await withDeadline(clock, device.name, deadlineMs, work);
      } catch (error) {
        if (!(error instanceof DeadlineError)) throw error;
        throw new SpiError("timeout", error.message, { cause: error });
      }
    },
    close: () => device.close(),
  };
}
