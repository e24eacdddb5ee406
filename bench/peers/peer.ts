import { createRequire } from "node:module";
import { resolve } from "node:path";

/** A first-in, first-out store of records, opened in a folder of its own. Nothing else may be under way during a call. */
export interface PeerStore {
  /** Stores each record by itself: the kernel has it before the next one comes, so that a killed process loses none. */
  appendEach(records: readonly Uint8Array[]): Promise<void>;
  /** Stores the records by what the peer has for many at once; durable where the store was opened so. */
  appendGroup(records: readonly Uint8Array[]): Promise<void>;
  /** Up to `count` of the oldest records, in order. Not called again before they are removed. */
  peek(count: number): Promise<readonly Uint8Array[]>;
  /** Removes the `count` oldest: those just peeked, or, in a store that is not drained, those just stored. Need not be durable. */
  remove(count: number): Promise<void>;
  close(): Promise<void>;
}

export interface PeerOptions {
  /** {@link PeerStore.appendGroup} resolves when the records survive a power cut. */
  readonly durable: boolean;
}

/** Something that keeps records on disk. */
export interface Peer {
  readonly name: string;
  /** How it is used here, and who recommends that. */
  readonly how: string;
  /** A database, and so one of those that the targets are taken from. */
  readonly isDatabase: boolean;
  /** It can be asked to make records durable. */
  readonly canSync: boolean;
  /** It takes more records than there are MQTT packet identifiers. */
  readonly isUnbounded: boolean;
  open(folder: string, options: PeerOptions): Promise<PeerStore>;
}

export const PEERS_FOLDER = resolve("bench/peers");

/** A package that is installed for the bench alone. Each adapter says which of its names it uses. */
export function loadPackage<T>(name: string): T {
  return createRequire(resolve(PEERS_FOLDER, "package.json"))(name) as T;
}
