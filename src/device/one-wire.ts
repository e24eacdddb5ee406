export type Resolution = 9 | 10 | 11 | 12;

/** The kernel's 1-Wire bus (Documentation/w1). */
export interface OneWire {
  /** Slave ids that the bus master has found, e.g. `28-00000a1b2c3d`. */
  ids(): Promise<readonly string[]>;
  /**
   * The text of a thermometer's `w1_slave` file: reading it runs a conversion (up to 750 ms at 12 bits).
   * An empty text means that the chip vanished or answered with a wrong CRC (kernel 6.12): never a reading.
   */
  readThermometer(id: string): Promise<string>;
  /**
   * Bits of a thermometer's measurement: each less halves the time (750 ms at 12) and doubles the step (1/16 °C). A chip
   * without power forgets it.
   */
  setResolution(id: string, bits: Resolution): Promise<void>;
}

export class OneWireError extends Error {
  override readonly name = "OneWireError";
  readonly fault: "absent" | "no_bus" | "denied" | "io";
  constructor(fault: "absent" | "no_bus" | "denied" | "io", message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
  }
}
