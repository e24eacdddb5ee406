import type * as v from "valibot";
import type { Board } from "../device/board.ts";
import type { Clock } from "../device/clock.ts";
import type { Pin } from "../device/gpio.ts";

/** What an actuator can be set to: each kind takes some of these. */
export type ActuatorValue = "on" | "off" | "open" | "close" | "stop" | number;

/** The part of a board that outputs hang on. */
export type OutputBoard = Pick<Board, "gpio" | "pwm" | "i2c" | "defaultI2c">;

/** What an opened output is given besides its board. */
export interface OutputContext {
  readonly clock: Clock;
  /** Something went wrong between two writes (a blinking lamp, a motor under way): nobody knows what the output does. */
  onFailure(error: unknown): void;
  /** What it was told is done: it has come to rest by itself. */
  onEnd(): void;
}

/** An opened output. Only the guard calls it, one call at a time. */
export interface Output {
  set(value: ActuatorValue): Promise<void>;
  /** What there is to tell besides the value, such as a cover's `position`. */
  details?(): Readonly<Record<string, number>>;
  close(): Promise<void>;
}

/** Where a kind with `bus` among its options finds that bus; absent: on the board's user bus. */
export interface Placed {
  readonly i2cPath?: string;
}

/** A kind's options after validation. */
export type Options<E extends v.ObjectEntries> = v.InferOutput<v.StrictObjectSchema<E, undefined>>;

/** One kind of output: a plain record, like a sensor's driver. */
export interface ActuatorKind<E extends v.ObjectEntries = v.ObjectEntries> {
  /** What a configuration calls it: `digital_output`. */
  readonly name: string;
  readonly description: string;
  readonly options: E;
  /** The lines it takes, so that a configuration with two users of one pin is refused. */
  pins(options: Options<E>): readonly Pin[];
  /** The value that is no action at all, the default of `initial` and `safe`. Default: `off`. */
  readonly off?: ActuatorValue;
  /** Whether it can take this value. */
  accepts(value: ActuatorValue, options: Options<E>): boolean;
  /** The numbers that it takes, where it takes any. */
  range?(options: Options<E>): { readonly min: number; readonly max: number; readonly unit: string };
  /** Whether a value means that the load runs. Default: all but `off` and 0. */
  isOn?(value: ActuatorValue): boolean;
  /** A value that ends by itself: after how long it is `off` again at the latest. Default: none does. */
  runsForMs?(value: ActuatorValue, options: Options<E>): number | undefined;
  /** What a write may take beyond the time that hardware needs: the pauses that the kind makes. Default: 0. */
  pauseMs?(options: Options<E>): number;
  /** Takes the hardware with `initial` as its very first state. */
  open(
    board: OutputBoard,
    options: Options<E> & Placed,
    initial: ActuatorValue,
    context: OutputContext,
  ): Promise<Output>;
}

/** Whether a value of this kind means that the load runs. */
export function isOnFor(kind: AnyActuatorKind, value: ActuatorValue): boolean {
  return kind.isOn?.(value) ?? (value !== "off" && value !== 0);
}

// biome-ignore lint/suspicious/noExplicitAny: the registry is where the options' types are erased, on purpose
export type AnyActuatorKind = ActuatorKind<any>;

/** Why an actuator is in the state it is in (contract: `state/<actuator>`). */
export type Cause = "boot" | "command" | "rule" | "timer" | "failsafe" | "interlock" | "local";
