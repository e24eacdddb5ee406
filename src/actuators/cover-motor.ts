import type { OutputLine } from "../device/gpio.ts";
import type { OutputContext } from "./kind.ts";

export type Direction = "open" | "close";

export interface CoverMotorParts {
  readonly lines: Readonly<Record<Direction, OutputLine>>;
  /** From one end to the other. */
  readonly travelMs: Readonly<Record<Direction, number>>;
  readonly deadMs: number;
  /** Share of the travel that is added on the way to an end. */
  readonly overrun: number;
  readonly context: OutputContext;
}

/** A motor with a relay for each direction and no switch at its ends. */
export interface CoverMotor {
  /** Sets off to an end or a position, percent open; undefined: stops. Resolves when the relay has switched. */
  go(target: Direction | number | undefined): Promise<void>;
  /** By the clock, percent open; undefined until an end has been reached. */
  position(): number | undefined;
}

/** One way without a turn. */
interface Leg {
  readonly direction: Direction;
  readonly forMs: number;
  /** Where it is surely then, at an end. */
  readonly endsAt?: number;
}

/**
 * The relays are behind one door: {@link energise} switches one on only after both were confirmed off, and `deadMs`
 * after that. Everything that touches a relay goes through one lane, so that not even a write that hangs is overtaken.
 */
export function openCoverMotor({ lines, travelMs, deadMs, overrun, context }: CoverMotorParts): CoverMotor {
  const { clock } = context;
  let known: number | undefined;
  let moving: { readonly direction: Direction; readonly sinceMs: number } | undefined;
  /** When both relays were last confirmed off; undefined: one is on, or may be. At first a motor may be running out. */
  let offSinceMs: number | undefined = clock.monotonicMs();
  let journey = 0;
  let wait = new AbortController();
  let lane: Promise<unknown> = Promise.resolve();

  function inLane<T>(step: () => Promise<T>): Promise<T> {
    const done = lane.then(step);
    lane = done.catch(() => {});
    return done;
  }

  function position(): number | undefined {
    if (known === undefined || !moving) return known;
    const { direction, sinceMs } = moving;
    const movedPercent = (100 * (clock.monotonicMs() - sinceMs)) / travelMs[direction];
    return Math.min(100, Math.max(0, known + (direction === "open" ? movedPercent : -movedPercent)));
  }

  async function rest(): Promise<void> {
    if (offSinceMs !== undefined) return;
    // Both are tried, whatever becomes of the first.
    const results = await Promise.allSettled([lines.open.set(0), lines.close.set(0)]);
    known = position();
    moving = undefined;
    const failed = results.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
    offSinceMs = clock.monotonicMs();
  }

  async function energise({ direction }: Leg, mine: number): Promise<void> {
    await rest();
    await clock.sleep(Math.max(0, offSinceMs! + deadMs - clock.monotonicMs()));
    if (mine !== journey) return;
    offSinceMs = undefined;
    moving = { direction, sinceMs: clock.monotonicMs() };
    try {
      await lines[direction].set(1);
    } catch (error) {
      await rest().catch(() => {});
      throw error;
    }
  }

  function legsTo(target: Direction | number): Leg[] {
    const here = position();
    const end =
      target === "open" || target === 100 ? 100 : target === "close" || target === 0 ? 0 : undefined;
    if (end !== undefined) {
      const direction = end === 100 ? "open" : "close";
      const percent = here === undefined ? 100 : Math.abs(end - here);
      return [{ direction, forMs: travelMs[direction] * (percent / 100 + overrun), endsAt: end }];
    }
    // Where it is is not known before it has been at an end.
    if (here === undefined) return [...legsTo("close"), leg(0, target as number)];
    return here === target ? [] : [leg(here, target as number)];
  }

  function leg(from: number, to: number): Leg {
    const direction = to > from ? "open" : "close";
    return { direction, forMs: (travelMs[direction] * Math.abs(to - from)) / 100 };
  }

  async function travel(legs: readonly Leg[], mine: number, signal: AbortSignal): Promise<void> {
    // The end of a way of no length must not be told before whoever asked for it knows that it began.
    if (legs.length === 0) await clock.sleep(1, signal);
    for (const [index, each] of legs.entries()) {
      if (index > 0) await inLane(() => energise(each, mine));
      await clock.sleep(each.forMs, signal);
      if (mine !== journey) return;
      await inLane(async () => {
        if (mine !== journey) return;
        await rest();
        known = each.endsAt ?? known;
      });
    }
    if (mine === journey) context.onEnd();
  }

  return {
    position,
    async go(target) {
      journey++;
      const mine = journey;
      wait.abort();
      wait = new AbortController();
      const { signal } = wait;
      await inLane(async () => {
        await rest();
        if (target === undefined || mine !== journey) return;
        const legs = legsTo(target);
        if (legs[0]) await energise(legs[0], mine);
        // On its way; a failure there is told to the guard, which stops it.
        void travel(legs, mine, signal).catch((error: unknown) => context.onFailure(error));
      });
    },
  };
}
