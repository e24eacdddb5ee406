/** The kernel's 1-Wire bus (Documentation/w1). */
export interface OneWire {
  /** Slave ids that the bus master has found, e.g. `28-00000a1b2c3d`. */
  ids(): Promise<readonly string[]>;
  /**
   * The text of a thermometer's `w1_slave` file: reading it runs a conversion (up to 750 ms at 12 bits).
   * An empty text means that the chip vanished or answered with a wrong CRC (kernel 6.12): never a reading.
   */
  readThermometer(id: string): Promise<string>;
}

export class OneWireError extends Error {
  override readonly name = "OneWireError";
  readonly fault: "absent" | "no_bus" | "io";
  constructor(fault: "absent" | "no_bus" | "io", message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
  }
}
