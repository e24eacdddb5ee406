import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { median } from "../../bench/figure.ts";
import { figuresOf, inTurns } from "../../bench/peers/compare.ts";
import { checkPeer } from "../../bench/peers/contract.ts";
import { fieldpost, fieldpostWithTail } from "../../bench/peers/fieldpost.ts";
import { arePeersInstalled } from "../../bench/peers/install.ts";
import { jsonLines } from "../../bench/peers/json-lines.ts";
import { leveldb } from "../../bench/peers/leveldb.ts";
import { lmdb } from "../../bench/peers/lmdb.ts";
import type { Peer } from "../../bench/peers/peer.ts";
import { peers } from "../../bench/peers/peers.ts";
import { sqlite } from "../../bench/peers/sqlite.ts";
import { makeRecord } from "../../bench/store.ts";

const ownPeers: readonly Peer[] = [fieldpost, fieldpostWithTail, jsonLines];

describe.each(peers)("the peer $name", (peer) => {
  test.skipIf(!arePeersInstalled() && !ownPeers.includes(peer))(
    "gives back what it took, bit for bit and in order, also after it was closed",
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "fieldpost-peers-"));
      try {
        await checkPeer(peer, folder, makeRecord());
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );
});

test("a peer that loses a record, or gives back another one, is found out", async () => {
  const losing: Peer = {
    ...fieldpost,
    async open(folder, options) {
      const store = await fieldpost.open(folder, options);
      return { ...store, peek: async (count) => (await store.peek(count)).toSpliced(3, 1) };
    },
  };
  const folder = mkdtempSync(join(tmpdir(), "fieldpost-peers-"));
  await expect(checkPeer(losing, folder, makeRecord())).rejects.toThrow("44 of 45 records came back");
  rmSync(folder, { recursive: true });
});

test("peers take turns, and each one is the first as often as the others", async () => {
  const order: string[] = [];
  const [runs] = await inTurns([sqlite, leveldb, lmdb], 3, async ({ name }, round) => {
    order.push(name);
    return [round];
  });
  expect(order.filter((_, index) => index % 3 === 0).sort()).toEqual(["LMDB", "LevelDB", "SQLite"]);
  expect([...runs!.values()]).toEqual([
    [0, 1, 2],
    [0, 1, 2],
    [0, 1, 2],
  ]);
});

test("ours is held to the best of the databases, whichever that is", () => {
  const runs = new Map([
    [fieldpost, [100, 110]],
    [sqlite, [400, 400]],
    [leveldb, [350, 350]],
    // Not a database.
    [jsonLines, [10, 10]],
  ]);
  const [ours] = figuresOf({ name: "bytes", unit: "bytes/record", runs, better: "less", limit: 1 / 3 });
  expect(ours!.beside!.name).toBe("LevelDB");
  expect(median(ours!.beside!.runs)).toBe(350);
  expect(ours!.target).toEqual({ of: "comparison", bound: "at most", limit: 1 / 3 });
  const [fastest] = figuresOf({ name: "rate", unit: "records/s", runs, better: "more", limit: 1 });
  expect(fastest!.beside!.name).toBe("SQLite");
});
