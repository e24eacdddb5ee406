import type { Random } from "../src/device/random.ts";

/**
 * `npm run test:exhaustive` tries out everything. Everyday, suites that would take minutes try out a sample, another one
 * each time.
 */
const EXHAUSTIVE = process.env["EXHAUSTIVE"] === "true";

/** Another one each time; that of a failure replays it. */
export const SEED = Number(process.env["SEED"] ?? Date.now() % 1_000_000);

/** How many are tried out: of a sample, and of everything. */
export const howMany = (sample: number, everything: number) => (EXHAUSTIVE ? everything : sample);

/** One of each `oneIn` neighbours; when everything is tried out, all of them. */
export function sampleOf<T>(all: readonly T[], oneIn: number, random: Random): readonly T[] {
  if (EXHAUSTIVE) return all;
  const sample: T[] = [];
  for (let from = 0; from < all.length; from += oneIn) {
    const neighbours = all.slice(from, from + oneIn);
    sample.push(neighbours[Math.floor(random() * neighbours.length)]!);
  }
  return sample;
}
