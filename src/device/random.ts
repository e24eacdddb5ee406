/** Uniform in [0, 1). Passed in wherever chance is needed, so that a seed replays a run. */
export type Random = () => number;

/** A seeded generator (mulberry32): small, fast, good enough for jitter, noise and faults; not for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
