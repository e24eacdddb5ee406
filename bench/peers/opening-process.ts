// A process of its own: opens a store with a backlog and reads the oldest record; prints what that took.
// Arguments: name of the peer, folder.
import { readFileSync } from "node:fs";
import type { Opened } from "./opening.ts";
import { peerNamed } from "./peers.ts";

const [name, folder] = process.argv.slice(2);
const peer = peerNamed(name!);
const before = resident();
const startMs = performance.now();
const store = await peer.open(folder!, { durable: false });
const [oldest] = await store.peek(1);
const openMs = performance.now() - startMs;
if (oldest === undefined) throw new Error(`${peer.name} has lost its backlog`);
const after = resident();
const opened: Opened = {
  openMs,
  rssMiB: after.rssMiB - before.rssMiB,
  anonymousMiB: after.anonymousMiB - before.anonymousMiB,
};
process.stdout.write(JSON.stringify(opened));
await store.close();

/** proc(5), `status`. */
function resident(): Omit<Opened, "openMs"> {
  const status = readFileSync("/proc/self/status", "utf8");
  const mib = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) / 1024;
  return { rssMiB: mib("VmRSS"), anonymousMiB: mib("RssAnon") };
}
