import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Bench, Part } from "../figure.ts";
import { makeRecord, RECORD_BYTES } from "../store.ts";
import { figuresOf, inTurns } from "./compare.ts";
import { checkPeer, numberedRecords, numberOf } from "./contract.ts";
import { installPeers } from "./install.ts";
import type { Peer, PeerStore } from "./peer.ts";
import { peers } from "./peers.ts";

const ROUNDS = 7;
const RECORDS = 20_000;
const TOGETHER = 100;

/** How fast records go in and out, beside what else keeps records on a disk. */
export const peerRates: Part = {
  name: "peers-rates",
  title: `${RECORDS} records of ${RECORD_BYTES} bytes in and out of stores on disk, not synced, ${ROUNDS} rounds in turns`,
  onRequest: true,
  async measure(bench) {
    installPeers(bench.progress);
    const template = makeRecord();
    for (const peer of peers) await checkPeer(peer, bench.folder, template);
    const records = numberedRecords(template, 1, RECORDS);
    // What is compiled and loaded at the first use counts for nobody.
    for (const peer of peers) await ratesOf(bench, peer, records);
    const [appendEach, appendGroup, drainEach, drainGroup] = await inTurns(peers, ROUNDS, (peer, round) => {
      bench.progress(`peers-rates: round ${round + 1}: ${peer.name}`);
      return ratesOf(bench, peer, records);
    });
    const compare = (name: string, runs: typeof appendEach) =>
      figuresOf({ name, unit: "records/s", runs: runs!, better: "more", limit: 1 });
    return {
      figures: [
        ...compare("append, one at a time", appendEach),
        ...compare(`append, ${TOGETHER} together`, appendGroup),
        ...compare("peek and remove, one at a time", drainEach),
        ...compare(`peek and remove, ${TOGETHER} together`, drainGroup),
      ],
      notes: peers.map(({ name, how }) => `${name}: ${how}`),
    };
  },
};

async function ratesOf(bench: Bench, peer: Peer, records: readonly Uint8Array[]): Promise<readonly number[]> {
  const folder = join(bench.folder, "peer");
  const store = await peer.open(folder, { durable: false });
  try {
    const appendEach = await perSecond(() => store.appendEach(records));
    const drainGroup = await perSecond(() => drain(store, TOGETHER));
    const appendGroup = await perSecond(() => inPieces(records, TOGETHER, (some) => store.appendGroup(some)));
    const drainEach = await perSecond(() => drain(store, 1));
    return [appendEach, appendGroup, drainEach, drainGroup];
  } finally {
    await store.close();
    rmSync(folder, { recursive: true });
  }
}

async function inPieces(
  records: readonly Uint8Array[],
  size: number,
  work: (piece: readonly Uint8Array[]) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < records.length; at += size) await work(records.slice(at, at + size));
}

/** Throws where a record is missing, or comes in another's place. */
async function drain(store: PeerStore, together: number): Promise<void> {
  for (let next = 1; next <= RECORDS; next += together) {
    const records = await store.peek(together);
    if (records.length !== together) throw new Error(`record ${next} did not come back`);
    records.forEach((record, at) => {
      if (numberOf(record) !== next + at) throw new Error(`record ${next + at} came back as another`);
    });
    await store.remove(together);
  }
}

async function perSecond(work: () => Promise<void>): Promise<number> {
  const startMs = performance.now();
  await work();
  return (RECORDS * 1000) / (performance.now() - startMs);
}
