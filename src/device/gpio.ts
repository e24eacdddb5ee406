/** A line by its BCM number (offset on the board's main GPIO chip) or by the kernel's line name (`GPIO17`). */
export type LineId = number | string;

/** A line by the pin of the board's header that it comes out at, as printed on pinouts: 1 to 40. */
export interface HeaderPin {
  readonly header: number;
}

export type Pin = LineId | HeaderPin;

/** For people: `GPIO17`, `SDA1`, `header pin 11`. */
export function pinInWords(pin: Pin): string {
  if (typeof pin === "object") return `header pin ${pin.header}`;
  return typeof pin === "number" ? `GPIO${pin}` : pin;
}

/** Logical value of a line: 1 is active. With `activeLow` the electrical level is the opposite. */
export type LineValue = 0 | 1;

export type Bias = "up" | "down" | "none";
export type EdgeKind = "rising" | "falling" | "both";

/**
 * How an output makes its two levels: `push_pull` drives both; `open_drain` drives low and lets go for high,
 * `open_source` the other way round, so that a resistor makes the other level and several may share the wire.
 */
export type Drive = "push_pull" | "open_drain" | "open_source";

export interface InputRequest<P = Pin> {
  readonly pin: P;
  /** Absent: as the board left it. */
  readonly bias?: Bias;
  readonly activeLow?: boolean;
  /** Which logical edges {@link InputLine.edges} reports. Default: both. */
  readonly edges?: EdgeKind;
  /** The level must hold this long to count as changed. Done by the kernel where it can. */
  readonly debounceMs?: number;
}

export interface OutputRequest<P = Pin> {
  readonly pin: P;
  readonly activeLow?: boolean;
  /** The line takes this value in the same request that makes it an output: no glitch between. */
  readonly initial: LineValue;
  /** Default: push_pull. */
  readonly drive?: Drive;
  /** The pull that makes the level which the line does not drive. Absent: as the board left it. */
  readonly bias?: Bias;
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

/** Several outputs that change together. */
export interface OutputLines {
  /**
   * One value for each line, in the order of the request. At the same instant where the kernel can; else those that
   * become 0 before those that become 1, so that two which must not be on together never are.
   */
  set(values: readonly LineValue[]): Promise<void>;
  /** What the lines were last told. */
  get(): Promise<readonly LineValue[]>;
  /** Gives the lines back. */
  close(): Promise<void>;
}

/** `P`: how lines are named. */
export interface Gpio<P = Pin> {
  input(request: InputRequest<P>): Promise<InputLine>;
  output(request: OutputRequest<P>): Promise<OutputLine>;
  /** All of them, or none where one cannot be had. On one chip. */
  outputs(requests: readonly OutputRequest<P>[]): Promise<OutputLines>;
}

/**
 * Several outputs taken one by one, where nothing can set them in one step. `taken` are the lines in the order of the
 * requests; it gives them back where one of them fails.
 */
export async function outputsOneByOne<P>(
  requests: readonly OutputRequest<P>[],
  output: (request: OutputRequest<P>) => Promise<OutputLine>,
): Promise<OutputLines> {
  const lines: OutputLine[] = [];
  const close = async () => {
    await Promise.all(lines.map((line) => line.close()));
  };
  try {
    for (const request of requests) lines.push(await output(request));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    async set(values) {
      assertValues(values, lines.length);
      for (const level of [0, 1] as const)
        for (const [nth, line] of lines.entries()) if (values[nth] === level) await line.set(level);
    },
    get: () => Promise.all(lines.map((line) => line.get())),
    close,
  };
}

/** Throws a {@link RangeError} where there is not one value for each line: a programming error, not a fault. */
export function assertValues(values: readonly LineValue[], lineCount: number): void {
  if (values.length !== lineCount)
    throw new RangeError(`${values.length} values for ${lineCount} output lines`);
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
