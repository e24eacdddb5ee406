import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { loadPackage, type Peer } from "./peer.ts";

/** What is used of lmdb. */
interface Lmdb {
  open(options: object): Database;
}
interface Database {
  put(key: number, value: Uint8Array): Promise<boolean>;
  putSync(key: number, value: Uint8Array): boolean;
  remove(key: number): Promise<boolean>;
  removeSync(key: number): boolean;
  transactionSync(work: () => void): void;
  getRange(options: object): Iterable<{ readonly key: number; readonly value: Uint8Array }>;
  readonly flushed: Promise<unknown>;
  close(): Promise<void>;
}

const MAP_BYTES = 1024 ** 3;

export const lmdb: Peer = {
  name: "LMDB",
  how: "lmdb: putSync for one (put would come back before the kernel has anything); transactionSync for many; keys uint32; noSync and useWritemap, or put and `flushed` where durable (its README)",
  isDatabase: true,
  canSync: true,
  isUnbounded: true,
  async open(folder, { durable }) {
    const { open } = loadPackage<Lmdb>("lmdb");
    mkdirSync(folder, { recursive: true });
    const db = open({
      path: join(folder, "records.mdb"),
      encoding: "binary",
      keyEncoding: "uint32",
      mapSize: MAP_BYTES,
      maxDbs: 1,
      ...(durable ? {} : { noSync: true, useWritemap: true }),
    });
    let nextSeq = firstKey(db, false) ?? 1;
    let lastSeq = firstKey(db, true) ?? 0;
    return {
      async appendEach(records) {
        for (const record of records) db.putSync(++lastSeq, record);
      },
      async appendGroup(records) {
        if (!durable) {
          db.transactionSync(() => {
            for (const record of records) db.putSync(++lastSeq, record);
          });
          return;
        }
        for (const record of records) void db.put(++lastSeq, record);
        await db.flushed;
      },
      async peek(count) {
        return Array.from(db.getRange({ start: nextSeq, limit: count }), ({ value }) => value);
      },
      async remove(count) {
        // Durable: not waited for, so that the next records are committed together with it.
        if (durable) for (let index = 0; index < count; index++) void db.remove(nextSeq++);
        else
          db.transactionSync(() => {
            for (let index = 0; index < count; index++) db.removeSync(nextSeq++);
          });
      },
      async close() {
        await db.flushed;
        await db.close();
      },
    };
  },
};

function firstKey(db: Database, reverse: boolean): number | undefined {
  for (const { key } of db.getRange({ limit: 1, reverse })) return key;
  return undefined;
}
