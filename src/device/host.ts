/** The machine that the node runs on. A method returns undefined where the machine does not tell. */
export interface Host {
  /** Board model as the device tree has it (`Raspberry Pi 4 Model B Rev 1.4`), else the machine's own words. */
  readonly model: string;
  /** A Raspberry Pi's revision code, hexadecimal (`a020d3`). */
  readonly revision: string | undefined;
  readonly serial: string | undefined;
  readonly hostname: string;
  readonly machineId: string | undefined;
  /** Milliseconds since the kernel booted. */
  uptimeMs(): number;
  /** Degrees Celsius of the processor. */
  cpuTemperature(): Promise<number | undefined>;
  /** One-minute load average (runnable tasks). */
  load1(): Promise<number | undefined>;
  memory(): Promise<{ readonly totalBytes: number; readonly availableBytes: number } | undefined>;
  /** The file system that holds `path`; available to this user. */
  disk(path: string): Promise<{ readonly totalBytes: number; readonly availableBytes: number } | undefined>;
  /** Signal level of the Wi-Fi link, dBm. */
  signalDbm(): Promise<number | undefined>;
  /** The Raspberry Pi firmware's `get_throttled` word: bit 0/16 under-voltage now/since boot, 1/17, 2/18, 3/19. */
  throttled(): Promise<number | undefined>;
}
