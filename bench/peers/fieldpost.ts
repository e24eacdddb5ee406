import { mkdtempSync, rmSync } from "node:fs";
import { memoryFolder, undoAtExit } from "../scratch.ts";
import { openStore } from "../store.ts";
import type { Peer, PeerOptions, PeerStore } from "./peer.ts";

export const fieldpost: Peer = {
  name: "fieldpost",
  how: "append for one and for many; sync; ack",
  isDatabase: false,
  canSync: true,
  isUnbounded: true,
  open: (folder, options) => open(folder, options),
};

const tails = new Map<string, string>();

/** The same with `buffer.tail`: what is made durable together goes to the disk as one compressed block. */
export const fieldpostWithTail: Peer = {
  ...fieldpost,
  name: "fieldpost with a tail",
  how: `the same with buffer.tail in ${memoryFolder() ?? "memory"}`,
  open(folder, options) {
    const parent = memoryFolder();
    if (parent === undefined) throw new Error("no folder in memory for buffer.tail");
    let tail = tails.get(folder);
    if (tail === undefined) {
      tail = mkdtempSync(`${parent}/fieldpost-bench-`);
      tails.set(folder, tail);
      undoAtExit(() => rmSync(tails.get(folder)!, { recursive: true, force: true }));
    }
    return open(folder, options, tail);
  },
};

async function open(folder: string, { durable }: PeerOptions, tail?: string): Promise<PeerStore> {
  const store = await openStore(folder, { tail });
  let lastSeq = store.status().nextSeq - 1;
  let nextSeq = store.status().firstSeq ?? lastSeq + 1;
  const append = (records: readonly Uint8Array[]) => {
    for (const record of records) lastSeq = store.append(record);
  };
  return {
    async appendEach(records) {
      append(records);
    },
    async appendGroup(records) {
      append(records);
      if (durable) await store.sync();
    },
    async peek(count) {
      return store.peek(nextSeq, count).map(({ record }) => record);
    },
    async remove(count) {
      nextSeq += count;
      store.ack(nextSeq - 1);
    },
    close: () => store.close(),
  };
}
