import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { loadPackage, type Peer } from "./peer.ts";

/** What is used of better-sqlite3. */
type Sqlite = new (file: string) => Database;
interface Database {
  pragma(text: string): unknown;
  exec(sql: string): void;
  prepare(sql: string): Statement;
  transaction<A extends unknown[]>(work: (...args: A) => void): (...args: A) => void;
  close(): void;
}
interface Statement {
  run(...values: readonly unknown[]): unknown;
  all(...values: readonly unknown[]): unknown[];
  get(...values: readonly unknown[]): unknown;
  pluck(): this;
}

export const sqlite: Peer = {
  name: "SQLite",
  how: "better-sqlite3: prepared statements, a transaction for many, WAL (its performance.md); synchronous NORMAL, or FULL where durable; rows are removed under NORMAL",
  isDatabase: true,
  canSync: true,
  isUnbounded: true,
  async open(folder, { durable }) {
    const Constructor = loadPackage<Sqlite>("better-sqlite3");
    mkdirSync(folder, { recursive: true });
    const db = new Constructor(join(folder, "records.sqlite"));
    db.pragma("journal_mode = WAL");
    db.pragma("synchronous = NORMAL");
    db.exec("create table if not exists records (seq integer primary key, record blob not null)");
    const insert = db.prepare("insert into records values (?, ?)");
    const select = db.prepare("select record from records where seq >= ? order by seq limit ?").pluck();
    const remove = db.prepare("delete from records where seq < ?");
    const insertAll = db.transaction((records: readonly Uint8Array[]) => {
      for (const record of records) insert.run(++lastSeq, record);
    });
    const found = (what: string) =>
      db.prepare(`select ${what}(seq) from records`).pluck().get() as number | null;
    let lastSeq = found("max") ?? 0;
    let nextSeq = found("min") ?? 1;
    return {
      async appendEach(records) {
        for (const record of records) insert.run(++lastSeq, record);
      },
      async appendGroup(records) {
        if (durable) db.pragma("synchronous = FULL");
        if (records.length === 1) insert.run(++lastSeq, records[0]);
        else insertAll(records);
        if (durable) db.pragma("synchronous = NORMAL");
      },
      async peek(count) {
        return select.all(nextSeq, count) as Buffer[];
      },
      async remove(count) {
        nextSeq += count;
        remove.run(nextSeq);
      },
      async close() {
        db.close();
      },
    };
  },
};
