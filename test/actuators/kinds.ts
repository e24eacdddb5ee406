import * as v from "valibot";
import type { ActuatorKind, ActuatorValue } from "../../src/actuators/kind.ts";
import { withExpanders } from "../../src/device/expanders/board.ts";
import { type Expander, openExpander } from "../../src/device/expanders/open.ts";
import { expandersSettings } from "../../src/device/expanders/settings.ts";
import { seededRandom } from "../../src/device/random.ts";
import { createSimBoard } from "../../src/device/sim/board.ts";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { attachExpander } from "../../src/device/sim/expanders.ts";
import { World } from "../../src/device/sim/world.ts";
import { settings } from "../../src/schema/settings.ts";

/** A simulated board with expanders, as a configuration would give them. */
export function benchOf(expanders: Readonly<Record<string, unknown>> = {}) {
  const clock = new VirtualClock({ wallMs: 0 });
  const sim = createSimBoard({ clock, random: seededRandom(1), world: new World({ seed: 1, clock }) });
  const parsed: Readonly<Record<string, Expander>> = v.parse(expandersSettings, expanders);
  for (const expander of Object.values(parsed)) attachExpander(sim, expander);
  const board = withExpanders(sim, parsed, clock, openExpander);
  const failures: unknown[] = [];
  const ends: number[] = [];
  return {
    clock,
    sim,
    board,
    failures,
    ends,
    bus: sim.simBus("/dev/i2c-1"),
    /** A second process on the same board. */
    reopened: () => withExpanders(sim, parsed, clock, openExpander),
    open<E extends v.ObjectEntries>(
      kind: ActuatorKind<E>,
      options: Readonly<Record<string, unknown>>,
      initial: ActuatorValue = kind.off ?? "off",
    ) {
      const parsed = v.parse(settings(kind.options), options) as v.InferOutput<
        v.StrictObjectSchema<E, undefined>
      >;
      const context = {
        clock,
        onFailure: (error: unknown) => void failures.push(error),
        onEnd: () => void ends.push(clock.monotonicMs()),
      };
      return clock.run(kind.open(board, parsed, initial, context));
    },
  };
}

export type Bench = ReturnType<typeof benchOf>;
