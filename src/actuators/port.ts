import { type Clock, withDeadline } from "../device/clock.ts";
import type { ActuatorValue, Output } from "./kind.ts";

/** What hardware may take for one write: longer than a bus driver's own time-out of a second. */
const WRITE_DEADLINE_MS = 2_000;

/** The way to one output, which may hang. */
export interface Port {
  /**
   * Opens the output with this value or sets it. Rejects after a deadline; such a write may still happen, but never after
   * one that was asked for later: those wait until it has ended, and what has waited past its own deadline is left out.
   */
  write(value: ActuatorValue): Promise<void>;
  details(): Readonly<Record<string, number>>;
  /** Gives the output back, unless a write hangs. */
  close(): Promise<void>;
}

export interface PortParts {
  readonly name: string;
  readonly clock: Clock;
  /** What a write may take besides the hardware's time. */
  readonly pauseMs: number;
  open(value: ActuatorValue): Promise<Output>;
}

export function createPort({ name, clock, pauseMs, open }: PortParts): Port {
  const deadlineMs = WRITE_DEADLINE_MS + pauseMs;
  let output: Output | undefined;
  let last: Promise<unknown> = Promise.resolve();

  function bounded(step: () => Promise<void>): Promise<void> {
    let abandoned = false;
    const turn = last.then(() => (abandoned ? undefined : step()));
    last = turn.catch(() => {});
    return withDeadline(clock, `the output of ${name}`, deadlineMs, turn).finally(() => {
      abandoned = true;
    });
  }

  return {
    write: (value) =>
      bounded(async () => {
        if (output) await output.set(value);
        else output = await open(value);
      }),
    details: () => output?.details?.() ?? {},
    close: () => bounded(async () => output?.close()),
  };
}
