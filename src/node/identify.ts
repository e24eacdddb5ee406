import type { Clock } from "../device/clock.ts";
import type { Lamp, TakenLamp } from "../device/lamp.ts";
import type { Log } from "../log.ts";

/** Long enough to walk along a rack. */
const BLINK_MS = 10_000;

/** Twice a second: nothing that the light shows by itself looks like it. */
const HALF_PERIOD_MS = 250;

/** The node shows a person which of several boards it is. */
export interface Identify {
  /** Begins to blink, or goes on for longer. Rejects, with an error for people, where the board cannot. */
  begin(): Promise<{ readonly lamp: string; readonly for_s: number }>;
  /** Resolves when the light shows again what it showed before. */
  ended(): Promise<void>;
}

/** `stopping` ends the blinking. */
export function createIdentify(
  lamp: Lamp | undefined,
  { clock, log, stopping }: { readonly clock: Clock; readonly log: Log; readonly stopping: AbortSignal },
): Identify {
  let endMs = 0;
  let taking: Promise<TakenLamp> | undefined;
  let blinking: Promise<void> = Promise.resolve();

  async function blink(taken: TakenLamp): Promise<void> {
    try {
      for (let on = true; clock.monotonicMs() < endMs && !stopping.aborted; on = !on) {
        await taken.set(on);
        await clock.sleep(HALF_PERIOD_MS, stopping);
      }
    } catch (error) {
      log.warn("the board's light cannot be switched", { error: (error as Error).message });
    } finally {
      taking = undefined;
      await taken.giveBack().catch((error: Error) => {
        log.warn("the board's light does not show again what it showed before", { error: error.message });
      });
    }
  }

  return {
    async begin() {
      if (!lamp) throw new Error("this board has no light to blink");
      endMs = clock.monotonicMs() + BLINK_MS;
      const isNew = taking === undefined;
      // Not before it has been given back: what it showed would be forgotten.
      taking ??= blinking.then(() => lamp.take());
      const mine = taking;
      const taken = await mine.catch((error: unknown) => {
        if (taking === mine) taking = undefined;
        throw error;
      });
      if (isNew) {
        log.info("the board's light blinks", { lamp: taken.name, durationMs: BLINK_MS });
        blinking = blink(taken);
      }
      return { lamp: taken.name, for_s: BLINK_MS / 1_000 };
    },
    ended: () => blinking,
  };
}
