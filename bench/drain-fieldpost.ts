// A process of its own: drains the outbox in a folder to a broker the way a node does; prints how long that took.
// Arguments: folder, port, number of records, window.
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { linuxClock } from "../src/device/linux/clock.ts";
import { silentLog } from "../src/log.ts";
import { contractSpelling } from "../src/mqtt/convention/spelling.ts";
import { openLink } from "../src/mqtt/link/connect.ts";
import { networkDial } from "../src/mqtt/link/dial.ts";
import type { OpenLink } from "../src/mqtt/link/link.ts";
import { createUplink } from "../src/mqtt/uplink/uplink.ts";
import { openStore } from "./store.ts";

const LOOK_EVERY_MS = 100;

const [folder, port, records, window] = process.argv.slice(2);
const clock = linuxClock();
const outbox = await openStore(folder!, { syncAfterMs: 1_000, maxSizeBytes: 4 * 1024 ** 3 });
const link = await openLink(
  {
    server: { scheme: "mqtt", host: "127.0.0.1", port: Number(port) },
    version: 5,
    clientId: "drain",
    keepaliveMs: 25_000,
    sessionExpiryMs: 0,
    onMessage() {},
    clock,
    log: silentLog,
  },
  networkDial(undefined, readFile),
  new AbortController().signal,
);
const uplink = createUplink({
  outbox,
  spell: contractSpelling({ topicRoot: "fieldpost/bench", qos: 1 }),
  maxInFlight: Number(window),
  ratePerSecond: 0,
  clock,
  log: silentLog,
  onDrop({ seq, error }) {
    throw new Error(`record ${seq} was dropped: ${error}`);
  },
});

const startMs = performance.now();
const startCpu = process.cpuUsage();
let firstMs: number | undefined;
/** Sees the first answer, and is out of the way then. */
const timedLink: OpenLink = {
  ...link,
  publishThen(message, done) {
    timedLink.publishThen = link.publishThen;
    link.publishThen(message, (error) => {
      firstMs = performance.now() - startMs;
      done(error);
    });
  },
};
const draining = uplink.run(timedLink);
/** The most that was resident, in each tenth of the records. */
const mostMiB: number[] = [];
let lookAtMs = startMs;
while (uplink.status().delivered < Number(records) && !link.closed.aborted) {
  await sleep(1);
  if (performance.now() < lookAtMs) continue;
  lookAtMs = performance.now() + LOOK_EVERY_MS;
  const tenth = Math.min(9, Math.floor((uplink.status().delivered * 10) / Number(records)));
  mostMiB[tenth] = Math.max(mostMiB[tenth] ?? 0, process.memoryUsage.rss() / 1024 ** 2);
}
const tookMs = performance.now() - startMs;
const { user, system } = process.cpuUsage(startCpu);
process.stdout.write(JSON.stringify({ tookMs, cpuMs: (user + system) / 1000, firstMs, mostMiB }));
await link.end();
await draining;
const { depth } = outbox.status();
if (depth > 0) throw new Error(`${depth} of ${records} records are still in the outbox`);
await outbox.close();
