import * as v from "valibot";
import { duration } from "../schema/duration.ts";
import { settings } from "../schema/settings.ts";
import type { Measurements } from "./driver.ts";

/** A sensor's `report`: which readings are worth sending. */
export const reportSettings = settings({
  /** Per field: how far it must be from the last value sent. 0: any change. */
  delta: v.optional(
    v.record(
      v.string(),
      v.pipe(
        v.number("expected a number"),
        v.finite("expected a finite number"),
        v.minValue(0, "must be at least 0"),
      ),
    ),
    {},
  ),
  /** A reading is sent at least this often, so that silence always means a fault. */
  heartbeat: v.optional(duration({ minMs: 1 }), "10m"),
});

export type ReportSettings = v.InferOutput<typeof reportSettings>;

/**
 * Numbers have been rounded, and their differences carry binary noise: 0.3 - 0.2 is less than 0.1. A difference
 * short of its delta by less than this share of it counts as having reached it.
 */
const DELTA_TOLERANCE = 1e-6;

/** Sample times on a grid differ from whole multiples of the interval by floating-point noise only. */
const HEARTBEAT_TOLERANCE_MS = 1;

/** Decides for each reading, in order, whether it goes out. */
export interface Reporter {
  /** Whether this reading goes out; if so, the next are compared with it. `mustSend`: it does, whatever it says. */
  offer(measurements: Measurements, monotonicMs: number, mustSend: boolean): boolean;
}

/**
 * Report by exception. A reading goes out whole when one of its fields has moved by its delta since it was last sent,
 * a boolean has changed, a field is new, or the heartbeat is due. A number without a delta never causes a report.
 */
export function createReporter(settings: ReportSettings | undefined): Reporter {
  let sent: Measurements | undefined;
  let sentMs = 0;

  function isDue(measurements: Measurements, monotonicMs: number): boolean {
    if (settings === undefined || sent === undefined) return true;
    if (monotonicMs - sentMs >= settings.heartbeat - HEARTBEAT_TOLERANCE_MS) return true;
    const before = sent;
    return Object.entries(measurements).some(([field, value]) =>
      hasMoved(before[field], value, settings.delta[field]),
    );
  }

  return {
    offer(measurements, monotonicMs, mustSend) {
      const goesOut = mustSend || isDue(measurements, monotonicMs);
      if (goesOut) {
        // A field that a filter left out this time is still compared with what was last sent of it.
        sent = { ...sent, ...measurements };
        sentMs = monotonicMs;
      }
      return goesOut;
    },
  };
}

function hasMoved(
  before: number | boolean | undefined,
  value: number | boolean,
  delta: number | undefined,
): boolean {
  if (typeof value === "boolean" || typeof before === "boolean") return value !== before;
  if (before === undefined) return true;
  if (delta === undefined || value === before) return false;
  return Math.abs(value - before) >= delta * (1 - DELTA_TOLERANCE);
}
