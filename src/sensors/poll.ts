import type { Clock } from "../device/clock.ts";
import { SensorError } from "./driver.ts";

export interface PollOptions {
  /** For the error: what did not happen. */
  readonly what: string;
  readonly clock: Clock;
  readonly everyMs: number;
  /** How often to ask: a chip that never gets ready must not hold the sensor for ever. */
  readonly attempts: number;
}

/** Asks `ready`, at once and then every `everyMs`, until it says yes. Rejects with `not_ready` when it never does. */
export async function pollUntil(
  ready: () => Promise<boolean>,
  { what, clock, everyMs, attempts }: PollOptions,
): Promise<void> {
  for (let attempt = 1; attempt <= attempts; attempt++) {
    if (await ready()) return;
    if (attempt < attempts) await clock.sleep(everyMs);
  }
  throw new SensorError("not_ready", `${what} (asked ${attempts} times, ${everyMs} ms apart)`);
}
