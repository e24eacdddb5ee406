import type { Lamp } from "../lamp.ts";

/** A light that can be looked at. */
export interface SimLamp extends Lamp {
  isLit(): boolean;
  /** How often it has been switched on. */
  flashes(): number;
  isTaken(): boolean;
}

export function simLamp(): SimLamp {
  let lit = false;
  let flashes = 0;
  let taken = false;
  return {
    isLit: () => lit,
    flashes: () => flashes,
    isTaken: () => taken,
    isThere: async () => true,
    async take() {
      taken = true;
      return {
        name: "ACT (simulated)",
        async set(on) {
          if (on && !lit) flashes++;
          lit = on;
        },
        async giveBack() {
          taken = false;
          lit = false;
        },
      };
    },
  };
}
