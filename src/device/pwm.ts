/** A rectangular wave. Nanoseconds, as the kernel counts them. */
export interface PwmWave {
  /** More than zero: 20,000,000 for a servo's 50 Hz. */
  readonly periodNs: number;
  /** How long of each period the output is active: 0 to `periodNs`. */
  readonly pulseNs: number;
}

export interface PwmRequest {
  /**
   * `pwmchip0`, the kernel driver's name (`pwm-bcm2835`) or the chip's name in the device tree (`pwm@98000`).
   * Default `auto`: the one behind the header, whichever number the kernel gave it.
   */
  readonly chip?: string;
  /** Of the chip. Which pins it reaches is the device tree's affair (`dtoverlay=pwm`). */
  readonly channel: number;
  /** The pulse is electrically low. Not every chip can do it. */
  readonly inverted?: boolean;
  /** What the output begins with. */
  readonly initial: PwmWave;
}

export interface PwmOutput {
  set(wave: PwmWave): Promise<void>;
  /** What the output was last told. */
  get(): Promise<PwmWave>;
  /** Lets go of the channel, which keeps the wave that it has: whoever wants it quiet sets a pulse of 0 first. */
  close(): Promise<void>;
}

/** The board's hardware PWM: timing that no busy program disturbs. */
export interface Pwm {
  output(request: PwmRequest): Promise<PwmOutput>;
}

/**
 * - `no_chip`: there is no such PWM chip
 * - `no_channel`: the chip has no such channel
 * - `taken`: a kernel driver or this program uses the channel already
 * - `denied`: no permission (group `gpio`)
 * - `unsupported`: the chip cannot make this wave, or not inverted
 * - `io`: anything else
 */
export type PwmFault = "no_chip" | "no_channel" | "taken" | "denied" | "unsupported" | "io";

export class PwmError extends Error {
  override readonly name = "PwmError";
  readonly fault: PwmFault;
  constructor(fault: PwmFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
  }
}

/** The wave of this frequency whose pulse takes this share, 0 to 1, of each period. */
export function wave(frequencyHz: number, share: number): PwmWave {
  const periodNs = Math.round(1e9 / frequencyHz);
  return { periodNs, pulseNs: Math.round(periodNs * share) };
}

/** Throws a {@link RangeError} where no chip could make it: a programming error, not a fault. */
export function assertWave({ periodNs, pulseNs }: PwmWave): void {
  const whole = Number.isSafeInteger(periodNs) && Number.isSafeInteger(pulseNs);
  if (!whole || periodNs <= 0 || pulseNs < 0 || pulseNs > periodNs) {
    throw new RangeError(`no wave has a period of ${periodNs} ns and a pulse of ${pulseNs} ns`);
  }
}
