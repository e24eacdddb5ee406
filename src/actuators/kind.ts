import type * as v from "valibot";
import type { Clock } from "../device/clock.ts";
import type { Gpio, Pin } from "../device/gpio.ts";

/** What an actuator can be set to. */
export type ActuatorValue = "on" | "off" | number;

/** An opened output. Only the guard calls it. */
export interface Output {
  set(value: ActuatorValue): Promise<void>;
  close(): Promise<void>;
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
  /** Whether it can take this value. */
  accepts(value: ActuatorValue, options: Options<E>): boolean;
  /** Takes the hardware with `initial` as its very first state. */
  open(gpio: Gpio, options: Options<E>, initial: ActuatorValue, clock: Clock): Promise<Output>;
}

// biome-ignore lint/suspicious/noExplicitAny: the registry is where the options' types are erased, on purpose
export type AnyActuatorKind = ActuatorKind<any>;

/** Why an actuator is in the state it is in (contract: `state/<actuator>`). */
export type Cause = "boot" | "command" | "rule" | "timer" | "failsafe" | "interlock" | "local";
