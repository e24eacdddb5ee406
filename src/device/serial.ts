export interface SerialSettings {
  /** `/dev/serial0`, `/dev/ttyUSB0` or a link in `/dev/serial/by-id`. */
  readonly devicePath: string;
  /** Always with eight data bits, no parity and one stop bit. */
  readonly baudRate: number;
}

/** A serial line with one chip at its other end. */
export interface SerialPort {
  /** For people and error texts: `/dev/serial0`. */
  readonly name: string;
  write(bytes: readonly number[]): Promise<void>;
  /**
   * What comes next, or has come since the last {@link discard}: at least one byte. Rejects with a {@link SerialError}
   * `timeout` when nothing comes within so long. One reader at a time.
   */
  read(withinMs: number): Promise<Uint8Array>;
  /** Forgets what has come and was not read. */
  discard(): Promise<void>;
  close(): Promise<void>;
}

/**
 * - `no_port`: the device does not exist or may not be opened
 * - `taken`: another program has the port (a login console, a modem manager)
 * - `timeout`: nothing came
 * - `io`: anything else; a USB adapter that was pulled out
 */
export type SerialFault = "no_port" | "taken" | "timeout" | "io";

export class SerialError extends Error {
  override readonly name = "SerialError";
  readonly fault: SerialFault;
  constructor(fault: SerialFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
  }
}
