import { type Figure, median, type Target } from "../figure.ts";
import { fieldpost, fieldpostWithTail } from "./fieldpost.ts";
import type { Peer } from "./peer.ts";

/** The runs of each peer, made in turns. */
export type RunsOf = ReadonlyMap<Peer, readonly number[]>;

export interface Comparison {
  readonly name: string;
  readonly unit: string;
  readonly runs: RunsOf;
  /** Which of two numbers is the better one. */
  readonly better: "more" | "less";
  /** Of what the best database comes to, at most (where less is better) or at least. */
  readonly limit?: number;
}

/** One figure a peer, the best database beside ours. */
export function figuresOf({ name, unit, runs, better, limit }: Comparison): Figure[] {
  const sign = better === "more" ? -1 : 1;
  const [best] = [...runs.keys()]
    .filter(({ isDatabase }) => isDatabase)
    .sort((a, b) => sign * (median(runs.get(a)!) - median(runs.get(b)!)));
  const target: Target | undefined =
    limit === undefined
      ? undefined
      : { of: "comparison", bound: better === "more" ? "at least" : "at most", limit };
  return [...runs].map(([peer, own]) => ({
    name: `${name}: ${peer.name}`,
    unit,
    runs: own,
    ...((peer === fieldpost || peer === fieldpostWithTail) &&
      best && {
        beside: { name: best.name, runs: runs.get(best)!, as: "ratio" },
        ...(target && { target }),
      }),
  }));
}

/** Measures every peer in turns, `rounds` times, each time beginning with another one. */
export async function inTurns(
  peers: readonly Peer[],
  rounds: number,
  measure: (peer: Peer, round: number) => Promise<readonly number[]>,
): Promise<RunsOf[]> {
  const found = new Map<Peer, (readonly number[])[]>(peers.map((peer) => [peer, []]));
  for (let round = 0; round < rounds; round++) {
    const first = round % peers.length;
    for (const peer of [...peers.slice(first), ...peers.slice(0, first)])
      found.get(peer)!.push(await measure(peer, round));
  }
  const quantities = found.get(peers[0]!)![0]!.length;
  return Array.from(
    { length: quantities },
    (_, at) => new Map([...found].map(([peer, runs]) => [peer, runs.map((run) => run[at]!)])),
  );
}
