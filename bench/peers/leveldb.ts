import { loadPackage, type Peer } from "./peer.ts";

/** What is used of classic-level. */
interface ClassicLevel {
  ClassicLevel: new (folder: string, options: object) => Level;
}
interface Level {
  open(): Promise<void>;
  put(key: Buffer, value: Uint8Array): Promise<void>;
  batch(operations: readonly Operation[], options: { readonly sync: boolean }): Promise<void>;
  iterator(options: object): Cursor;
  close(): Promise<void>;
}
type Operation =
  | { readonly type: "put"; readonly key: Buffer; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: Buffer };
interface Cursor {
  nextv(count: number): Promise<[Buffer, Uint8Array][]>;
  close(): Promise<void>;
}

const KEY_BYTES = 6;
/** Its README: more than the default of 16 KiB makes reading long ranges faster. */
const READ_AHEAD_BYTES = 128 * 1024;

export const leveldb: Peer = {
  name: "LevelDB",
  how: "classic-level: put for one; batch for many, sync where durable; nextv on one iterator (its README)",
  isDatabase: true,
  canSync: true,
  isUnbounded: true,
  async open(folder, { durable }) {
    const { ClassicLevel } = loadPackage<ClassicLevel>("classic-level");
    const db = new ClassicLevel(folder, { keyEncoding: "buffer", valueEncoding: "view" });
    await db.open();
    let lastSeq = await seqAt(db, true);
    let removedSeq = (await seqAt(db, false)) - 1;
    if (removedSeq < 0) removedSeq = lastSeq;
    let cursor: Cursor | undefined;
    return {
      async appendEach(records) {
        for (const record of records) await db.put(keyOf(++lastSeq), record);
      },
      async appendGroup(records) {
        await db.batch(
          records.map((value) => ({ type: "put", key: keyOf(++lastSeq), value })),
          { sync: durable },
        );
      },
      async peek(count) {
        const rows = await read(count);
        if (rows.length > 0) return rows.map(([, record]) => record);
        // The iterator has seen what there was when it was made.
        await cursor?.close();
        cursor = undefined;
        return (await read(count)).map(([, record]) => record);
      },
      async remove(count) {
        const keys = Array.from({ length: count }, () => keyOf(++removedSeq));
        await db.batch(
          keys.map((key) => ({ type: "del", key })),
          { sync: false },
        );
      },
      async close() {
        await cursor?.close();
        await db.close();
      },
    };

    async function read(count: number): Promise<[Buffer, Uint8Array][]> {
      cursor ??= db.iterator({ gt: keyOf(removedSeq), highWaterMarkBytes: READ_AHEAD_BYTES });
      const rows: [Buffer, Uint8Array][] = [];
      while (rows.length < count) {
        const some = await cursor.nextv(count - rows.length);
        if (some.length === 0) break;
        rows.push(...some);
      }
      return rows;
    }
  },
};

function keyOf(seq: number): Buffer {
  const key = Buffer.allocUnsafe(KEY_BYTES);
  key.writeUIntBE(seq, 0, KEY_BYTES);
  return key;
}

/** The first or last number there is; 0: none. */
async function seqAt(db: Level, last: boolean): Promise<number> {
  const cursor = db.iterator({ reverse: last, limit: 1 });
  const [row] = await cursor.nextv(1);
  await cursor.close();
  return row?.[0].readUIntBE(0, KEY_BYTES) ?? 0;
}
