import { openStore } from "../store.ts";
import type { Peer } from "./peer.ts";

export const fieldpost: Peer = {
  name: "fieldpost",
  how: "append for one and for many; sync; ack",
  isDatabase: false,
  canSync: true,
  isUnbounded: true,
  async open(folder, { durable }) {
    const store = await openStore(folder);
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
  },
};
