/** A line by its BCM number (offset on the board's main GPIO chip) or by the kernel's line name (`GPIO17`). */
export type Pin = number | string;

/** Logical value of a line: 1 is active. With `activeLow` the electrical level is the opposite. */
export type LineValue = 0 | 1;

export type Bias = "up" | "down" | "none";
export type EdgeKind = "rising" | "falling" | "both";

export interface InputRequest {
  readonly pin: Pin;
  /** Absent: as the board left it. */
  readonly bias?: Bias;
  readonly activeLow?: boolean;
  /** Which logical edges {@link InputLine.edges} reports. Default: both. */
  readonly edges?: EdgeKind;
  /** The level must hold this long to count as changed. Done by the kernel where it can. */
  readonly debounceMs?: number;
}

export interface OutputRequest {
  readonly pin: Pin;
  readonly activeLow?: boolean;
  /** The line takes this value in the same request that makes it an output: no glitch between. */
  readonly initial: LineValue;
}

export interface Edge {
  readonly kind: "rising" | "falling";
  /** Monotonic time of the edge, milliseconds. */
  readonly monotonicMs: number;
  /** Edges that the kernel or the backend is known to have lost before this one. */
  readonly missed: number;
}

export interface InputLine {
  get(): Promise<LineValue>;
  /** Every edge since the request, oldest first. Ends when `signal` aborts or the line closes. One consumer only. */
  edges(signal: AbortSignal): AsyncIterable<Edge>;
  close(): Promise<void>;
}

export interface OutputLine {
  set(value: LineValue): Promise<void>;
  /** What the line was last told. */
  get(): Promise<LineValue>;
  /** Gives the line back. A Raspberry Pi keeps driving the last level. */
  close(): Promise<void>;
}

export interface Gpio {
  input(request: InputRequest): Promise<InputLine>;
  output(request: OutputRequest): Promise<OutputLine>;
}

/**
 * - `no_line`: the board has no such pin
 * - `taken`: another process or a kernel driver owns it
 * - `denied`: no permission (group `gpio`)
 * - `unsupported`: this backend cannot do what was asked (bias on sysfs)
 * - `io`: anything else
 */
export type GpioFault = "no_line" | "taken" | "denied" | "unsupported" | "io";

export class GpioError extends Error {
  override readonly name = "GpioError";
  readonly fault: GpioFault;
  constructor(fault: GpioFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
  }
}
