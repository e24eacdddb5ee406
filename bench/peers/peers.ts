import { memoryFolder } from "../scratch.ts";
import { fieldpost, fieldpostWithTail } from "./fieldpost.ts";
import { jsonLines } from "./json-lines.ts";
import { leveldb } from "./leveldb.ts";
import { lmdb } from "./lmdb.ts";
import { mqttLevelStore } from "./mqtt-level-store.ts";
import type { Peer } from "./peer.ts";
import { sqlite } from "./sqlite.ts";

export const peers: readonly Peer[] = [
  fieldpost,
  ...(memoryFolder() === undefined ? [] : [fieldpostWithTail]),
  sqlite,
  leveldb,
  lmdb,
  jsonLines,
  mqttLevelStore,
];

export function peerNamed(name: string): Peer {
  const peer = peers.find((each) => each.name === name);
  if (peer === undefined) throw new Error(`no peer is called ${name}`);
  return peer;
}
