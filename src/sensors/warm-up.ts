import type { Clock } from "../device/clock.ts";
import { formatDurationMs } from "../schema/duration.ts";
import { SensorError } from "./driver.ts";

/**
 * Throws `not_ready` while the chip cannot measure rightly yet. A chip gets its power with the board, so what counts is
 * the time since the kernel booted: a restart of this program costs no second warm-up.
 */
export function refuseWarmUp(chip: string, warmUpMs: number, clock: Clock): void {
  if (clock.monotonicMs() >= warmUpMs) return;
  const message = `the ${chip} warms up until ${formatDurationMs(warmUpMs)} after the board's start`;
  throw new SensorError("not_ready", message);
}
