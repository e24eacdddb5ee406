// A process of its own: opens an outbox, drains it if told so, and prints what that took. Arguments: folder, "drain" or nothing.
import { readFileSync } from "node:fs";
import type { Looked } from "./backlog.ts";
import { openStore } from "./store.ts";

const WINDOW = 64;
const LOOK_EVERY = 6_400;

const [folder, what] = process.argv.slice(2);
// What only the first use of the code costs is not the backlog's.
await (await openStore(`${folder}-warm`)).close();
const before = residentMiB();
const startMs = performance.now();
const store = await openStore(folder!, { maxSizeBytes: 4 * 1024 ** 3 });
const openMs = performance.now() - startMs;
const { depth } = store.status();
const openedMiB = residentMiB() - before;
let drained = 0;
let mostMiB = 0;
if (what === "drain")
  for (let entries = store.peek(1, WINDOW); entries.length > 0; ) {
    const last = entries.at(-1)!.seq;
    store.ack(last);
    drained += entries.length;
    if (drained % LOOK_EVERY < WINDOW) mostMiB = Math.max(mostMiB, residentMiB(false) - before);
    entries = store.peek(last + 1, WINDOW);
  }
const looked: Looked = { openMs, openedMiB, depth, drained, mostMiB };
process.stdout.write(JSON.stringify(looked));
process.exit(0);

/** proc(5), `status`; after a collection unless memory is wanted as it comes. */
function residentMiB(collected = true): number {
  if (collected) globalThis.gc?.();
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) / 1024;
}
