import { rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Part } from "../figure.ts";
import { runNode } from "../node-process.ts";
import { makeRecord, RECORD_BYTES } from "../store.ts";
import { figuresOf, inTurns } from "./compare.ts";
import { numberedRecords } from "./contract.ts";
import { installPeers } from "./install.ts";
import { peers } from "./peers.ts";

const ROUNDS = 5;
const BACKLOG_BYTES = 100_000_000;
const TOGETHER = 1_000;

/** What a process of its own found: see opening-process.ts. */
export interface Opened {
  readonly openMs: number;
  readonly rssMiB: number;
  readonly anonymousMiB: number;
}

/** What a large backlog costs at the start, beside what else keeps records on a disk. */
export const peerOpening: Part = {
  name: "peers-opening",
  title: `a process opens a store in which ${BACKLOG_BYTES / 1e6} MB of ${RECORD_BYTES}-byte records wait and reads the oldest, ${ROUNDS} rounds in turns`,
  onRequest: true,
  async measure(bench) {
    installPeers(bench.progress);
    const able = peers.filter(({ isUnbounded }) => isUnbounded);
    const folderOf = (name: string) => join(bench.folder, `opening-${name.replaceAll(" ", "-")}`);
    const records = numberedRecords(makeRecord(), 1, TOGETHER);
    for (const peer of able) {
      bench.progress(`peers-opening: filling ${peer.name}`);
      const store = await peer.open(folderOf(peer.name), { durable: false });
      for (let bytes = 0; bytes < BACKLOG_BYTES; bytes += TOGETHER * RECORD_BYTES)
        await store.appendGroup(records);
      await store.close();
    }
    const program = fileURLToPath(new URL("opening-process.mjs", import.meta.url));
    const [openMs, rss, anonymous] = await inTurns(able, ROUNDS, async ({ name }) => {
      const found = JSON.parse(await runNode([program, name, folderOf(name)])) as Opened;
      return [found.openMs, found.rssMiB, found.anonymousMiB];
    });
    for (const { name } of able) rmSync(folderOf(name), { recursive: true });
    return {
      figures: [
        ...figuresOf({
          name: "from opening to the oldest record",
          unit: "ms",
          runs: openMs!,
          better: "less",
        }),
        ...figuresOf({ name: "resident memory it takes", unit: "MiB", runs: rss!, better: "less" }),
        ...figuresOf({ name: "of it anonymous", unit: "MiB", runs: anonymous!, better: "less" }),
      ],
      notes: [
        "memory: what the process has more than before it loaded the store; LMDB's file is mapped and counts as resident where it was touched",
        ...peers
          .filter(({ isUnbounded }) => !isUnbounded)
          .map(({ name }) => `${name}: left out, it holds no more records than MQTT has packet identifiers`),
      ],
    };
  },
};
