import type { Clock } from "../../device/clock.ts";
import type { Log, LogFields } from "../../log.ts";

const WINDOW_MS = 3_600_000;
const MAX_REASONS_PER_WINDOW = 32;

/**
 * Logs what senders do wrong: each message with each reason once an hour, and no more than 32 of them however
 * inventive they are. Returns whether it did.
 */
export function createComplaints(
  clock: Clock,
  log: Log,
): (message: string, reason: string, fields: LogFields) => boolean {
  const said = new Set<string>();
  let windowEndMs = Number.NEGATIVE_INFINITY;
  return (message, reason, fields) => {
    if (clock.monotonicMs() >= windowEndMs) {
      said.clear();
      windowEndMs = clock.monotonicMs() + WINDOW_MS;
    }
    const what = `${message}: ${reason}`;
    if (said.has(what) || said.size >= MAX_REASONS_PER_WINDOW) return false;
    said.add(what);
    log.warn(message, { reason, ...fields });
    return true;
  };
}
