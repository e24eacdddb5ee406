import { join } from "node:path";
import { seededRandom } from "../../src/device/random.ts";
import { RECORD_BYTES } from "../store.ts";
import type { Peer, PeerStore } from "./peer.ts";

const SINGLES = 30;
const GROUP = 100;
const KEPT = 45;
const ZERO = "0".charCodeAt(0);

/**
 * `count` different records, numbered from `first` on: each one can be told from every other. What stands behind a decimal
 * point is noise, as in readings: whoever compresses shall not find the same record again and again.
 */
export function numberedRecords(template: Uint8Array, first: number, count: number): Uint8Array[] {
  const random = seededRandom(first);
  const decimals = decimalsOf(template);
  const all = Buffer.alloc(count * RECORD_BYTES);
  return Array.from({ length: count }, (_, index) => {
    const record = all.subarray(index * RECORD_BYTES, (index + 1) * RECORD_BYTES);
    record.set(template);
    for (const at of decimals) record[at] = ZERO + Math.floor(random() * 10);
    record.writeUInt32LE(first + index, RECORD_BYTES - 4);
    return record;
  });
}

/** Where digits stand behind a decimal point. */
function decimalsOf(record: Uint8Array): number[] {
  const text = Buffer.from(record).toString("latin1");
  return [...text.matchAll(/\d\.(\d+)/g)].flatMap(({ index, 1: digits }) =>
    Array.from(digits!, (_, nth) => index + 2 + nth),
  );
}

/** The number that {@link numberedRecords} gave it. */
export function numberOf(record: Uint8Array): number {
  return (
    (record[RECORD_BYTES - 4]! |
      (record[RECORD_BYTES - 3]! << 8) |
      (record[RECORD_BYTES - 2]! << 16) |
      (record[RECORD_BYTES - 1]! << 24)) >>>
    0
  );
}

/**
 * Rejects where a peer does not do what is measured of it: everything stored comes back, bit for bit and in order, also
 * after it was closed, and what was removed does not.
 */
export async function checkPeer(peer: Peer, folder: string, template: Uint8Array): Promise<void> {
  for (const durable of [false, true]) {
    const path = join(folder, `contract-${peer.name.replaceAll(" ", "-")}-${durable}`);
    const records = numberedRecords(template, 1, SINGLES + GROUP);
    let store = await peer.open(path, { durable });
    await store.appendEach(records.slice(0, SINGLES));
    await store.appendGroup(records.slice(SINGLES));
    await expectOldest(peer, store, records.slice(0, KEPT), KEPT);
    await store.remove(KEPT);
    await store.close();

    store = await peer.open(path, { durable });
    await expectOldest(peer, store, records.slice(KEPT), SINGLES + GROUP);
    await store.remove(SINGLES + GROUP - KEPT);
    const more = numberedRecords(template, 1_000, GROUP);
    await store.appendGroup(more);
    await expectOldest(peer, store, more, 2 * GROUP);
    await store.remove(GROUP);
    await expectOldest(peer, store, [], GROUP);
    await store.close();
  }
}

async function expectOldest(
  peer: Peer,
  store: PeerStore,
  wanted: readonly Uint8Array[],
  count: number,
): Promise<void> {
  const found = await store.peek(count);
  const wrongAt = wanted.findIndex(
    (record, at) => Buffer.compare(record, found[at] ?? Buffer.alloc(0)) !== 0,
  );
  if (found.length !== wanted.length || wrongAt >= 0)
    throw new Error(
      `${peer.name}: ${found.length} of ${wanted.length} records came back, the first wrong one at ${wrongAt}`,
    );
}
