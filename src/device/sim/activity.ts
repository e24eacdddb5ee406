import type { Clock } from "../clock.ts";
import type { SimBoard } from "./board.ts";
import type { Wire } from "./wiring.ts";

/** How often the world is asked anew how busy a line is, unless the caller says otherwise, milliseconds. */
const ASK_AGAIN_MS = 1_000;
const PULSE_MS = 40;

/**
 * Lets things happen on GPIO lines by themselves, as the world says: `<sensor>.pulses_per_minute` for what counts
 * (rain, water, energy), `<sensor>.presses_per_hour` for doors and buttons. Nothing happens where the world says nothing.
 */
export async function runActivity(
  board: SimBoard,
  wires: ReadonlyMap<string, Wire>,
  signal: AbortSignal,
  askAgainMs = ASK_AGAIN_MS,
): Promise<void> {
  const { clock, world, gpio } = board;
  const lines = [...wires].flatMap(([sensor, wire]) =>
    wire.bus === "gpio" ? [{ sensor, pin: wire.pin }] : [],
  );
  await Promise.all(
    lines.flatMap(({ sensor, pin }) => [
      repeat(
        clock,
        () => world.get(sensor, "pulses_per_minute") / 60_000,
        () => gpio.pulse(pin, 1, PULSE_MS),
        signal,
        askAgainMs,
      ),
      repeat(
        clock,
        () => world.get(sensor, "presses_per_hour") / 3_600_000,
        () => gpio.press(pin),
        signal,
        askAgainMs,
      ),
    ]),
  );
}

/** Does `act` as often as `perMs` says, which may change and may be zero. */
async function repeat(
  clock: Clock,
  perMs: () => number,
  act: () => Promise<void>,
  signal: AbortSignal,
  askAgainMs: number,
): Promise<void> {
  let due = 0;
  let lastMs = clock.monotonicMs();
  while (!signal.aborted) {
    const rate = Math.max(0, perMs());
    await clock.sleep(rate > 0 ? Math.min(askAgainMs, (1 - due) / rate) : askAgainMs, signal);
    const nowMs = clock.monotonicMs();
    due += rate * (nowMs - lastMs);
    lastMs = nowMs;
    // A hair's breadth of rounding must not turn into a sleep of nothing.
    if (due < 1 - 1e-9) continue;
    due = Math.max(0, due - 1);
    if (!signal.aborted) await act();
  }
}
