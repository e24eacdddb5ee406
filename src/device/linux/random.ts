import type { Random } from "../random.ts";

/** Real chance: for jitter and ids of a running node, not for secrets. */
export const systemRandom: Random = Math.random;
