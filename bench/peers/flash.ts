import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Part } from "../figure.ts";
import { type LoopDisk, mountLoopDisk } from "../loop-disk.ts";
import { makeRecord, RECORD_BYTES } from "../store.ts";
import { figuresOf, inTurns, type RunsOf } from "./compare.ts";
import { checkPeer, numberedRecords } from "./contract.ts";
import { installPeers } from "./install.ts";
import type { Peer, PeerStore } from "./peer.ts";
import { peers } from "./peers.ts";

const ROUNDS = 3;
/**
 * How many records are made durable together, how often in a round, and what of the best database's bytes ours may come
 * to.
 */
const CASES = [
  { together: 1, commits: 300, limit: 1 / 3 },
  // Records of several segments.
  { together: 10, commits: 1_200, limit: 1 / 3 },
  { together: 100, commits: 300, limit: 1 / 2 },
] as const;
/** What the records' life is like, and whether the store has held as many before: who uses room again has some then. */
const LIVES = [
  { name: "then removed", removed: true, used: true },
  { name: "kept, in used room", removed: false, used: true },
  { name: "kept, growing", removed: false, used: false },
] as const;
interface Case {
  readonly together: number;
  readonly commits: number;
  readonly removed: boolean;
  readonly used: boolean;
}

/** More than two segments of ours. */
const MIN_RECORDS_BEFORE = 14_000;
const BEFORE_TOGETHER = 1_000;

/** What of a record reaches the flash, beside what else keeps records on a disk. */
export const peerFlash: Part = {
  name: "peers-flash",
  title: `bytes that reach an ext4 block device for each ${RECORD_BYTES}-byte record, ${ROUNDS} rounds in turns`,
  onRequest: true,
  async measure(bench) {
    installPeers(bench.progress);
    const disk = mountLoopDisk(bench.folder);
    if (disk === undefined)
      return { figures: [], notes: ["not measured here: needs root and a loop device"] };
    try {
      const durable = peers.filter(({ canSync }) => canSync);
      for (const peer of durable) await checkPeer(peer, disk.folder, makeRecord());
      const figures = [];
      for (const life of LIVES)
        for (const { together, commits, limit } of CASES) {
          const name = `${together} durable together, ${life.name}`;
          bench.progress(`peers-flash: ${name}`);
          const runs = await measureCase(disk, durable, { together, commits, ...life });
          figures.push(...figuresOf({ name, unit: "bytes/record", runs, better: "less", limit }));
        }
      return {
        figures,
        notes: [
          "then removed: a node with a broker; kept: an outage, in a store that has been through one as long, or in a new one",
          ...peers
            .filter(({ canSync }) => !canSync)
            .map(({ name }) => `${name}: left out, it cannot be asked to sync`),
        ],
      };
    } finally {
      disk.remove();
    }
  },
};

async function measureCase(
  disk: LoopDisk,
  durable: readonly Peer[],
  { together, commits, removed, used }: Case,
): Promise<RunsOf> {
  const stores = new Map<Peer, PeerStore>();
  const usedRecords = used ? Math.max(MIN_RECORDS_BEFORE, ROUNDS * commits * together) : 0;
  for (const peer of durable) stores.set(peer, await openUsed(folderOf(disk, peer), peer, usedRecords));
  const records = numberedRecords(makeRecord(), 1, together);
  const [runs] = await inTurns(durable, ROUNDS, async (peer) => {
    const store = stores.get(peer)!;
    const beforeBytes = disk.writtenBytes();
    for (let commit = 0; commit < commits; commit++) {
      await store.appendGroup(records);
      if (removed) await store.remove(together);
    }
    return [(disk.writtenBytes() - beforeBytes) / (commits * together)];
  });
  for (const [peer, store] of stores) {
    await store.close();
    rmSync(folderOf(disk, peer), { recursive: true });
  }
  return runs!;
}

function folderOf({ folder }: LoopDisk, { name }: Peer): string {
  return join(folder, name.replaceAll(" ", "-"));
}

/** A store that has held `records` before. */
async function openUsed(folder: string, peer: Peer, records: number): Promise<PeerStore> {
  const store = await peer.open(folder, { durable: true });
  const some = numberedRecords(makeRecord(), 1, BEFORE_TOGETHER);
  for (let count = 0; count < records; count += BEFORE_TOGETHER) await store.appendGroup(some);
  for (let count = 0; count < records; count += BEFORE_TOGETHER) await store.remove(BEFORE_TOGETHER);
  return store;
}
