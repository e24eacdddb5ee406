import { DeadlineError } from "../device/clock.ts";
import { messageOf } from "../log.ts";
import type { Moment } from "../record/recorder.ts";

/** A sensor that cannot be read. */
export interface Fault {
  /** What the latest failure said, for people. */
  readonly error: string;
  /** What kind of failure it was, for counting: a fault of the driver or its bus (`crc`, `absent`), `deadline`, `other`. */
  readonly kind: string;
  /** When the first of the failures in a row happened. */
  readonly since: Moment;
  /** How many attempts in a row have failed. */
  readonly failures: number;
}

/** A fault that lasts is told again this often, so that whoever missed the first word hears of it. */
const REMINDER_MS = 3_600_000;

/** Follows failures in a row and decides which of them are news. */
export interface FaultWatch {
  current(): Fault | undefined;
  /** Takes a failure. Returns the fault where it should be told: it is new, says something else, or is due again. */
  failed(error: unknown, at: Moment): Fault | undefined;
  /** Takes a success. Returns the fault that it ended. */
  succeeded(): Fault | undefined;
}

export function createFaultWatch(): FaultWatch {
  let fault: Fault | undefined;
  let told: { readonly error: string; readonly monotonicMs: number } | undefined;
  return {
    current: () => fault,
    failed(error, at) {
      fault = {
        error: messageOf(error),
        kind: errorKind(error),
        since: fault?.since ?? at,
        failures: (fault?.failures ?? 0) + 1,
      };
      if (told?.error === fault.error && at.monotonicMs - told.monotonicMs < REMINDER_MS) return undefined;
      told = { error: fault.error, monotonicMs: at.monotonicMs };
      return fault;
    },
    succeeded() {
      const ended = fault;
      fault = undefined;
      told = undefined;
      return ended;
    },
  };
}

function errorKind(error: unknown): string {
  if (error instanceof DeadlineError) return "deadline";
  if (error instanceof Error && "fault" in error && typeof error.fault === "string") return error.fault;
  return "other";
}
