import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { withBroker } from "./broker.ts";
import type { Part } from "./figure.ts";
import { runNode } from "./node-process.ts";
import { START_SCRIPT, serviceSettings } from "./service.ts";
import { makeRecord, openStore } from "./store.ts";

const ROUNDS = 5;
/** 20 bytes before each, on disk: 1 GiB. */
const RECORDS = 6_000_000;
const WINDOW = 64;
const OPEN_MAX_MS = 200;
const OPEN_MAX_MIB = 10;
const DRAIN_MAX_MIB = 10;
/** The last tenth of the records beside the second: the first has the code compiled and the heap find its size. */
const GROWTH_MAX_MIB = 5;

/** What a process of its own found: see backlog-process.ts. */
export interface Looked {
  readonly openMs: number;
  readonly openedMiB: number;
  readonly depth: number;
  readonly drained: number;
  /** The most that was resident while draining. */
  readonly mostMiB: number;
}

/** A long outage: what five million records that wait cost at the start, and while they leave. */
export const backlog: Part = {
  name: "backlog",
  title: `${RECORDS / 1e6} million records wait, 1 GiB on disk; ${ROUNDS} starts, and two drains`,
  onRequest: true,
  async measure(bench) {
    const full = join(bench.folder, "backlog-full");
    const empty = join(bench.folder, "backlog-empty");
    bench.progress("backlog: filling");
    const store = await openStore(full, { maxSizeBytes: 4 * 1024 ** 3 });
    const record = makeRecord();
    for (let count = 0; count < RECORDS; count++) store.append(record);
    await store.close();
    await (await openStore(empty, { maxSizeBytes: 4 * 1024 ** 3 })).close();
    const program = fileURLToPath(new URL("backlog-process.mjs", import.meta.url));
    const { flags, env } = serviceSettings();
    const look = async (...args: string[]) =>
      JSON.parse(await runNode([...flags, "--expose-gc", program, ...args], env)) as Looked;
    const ofFull: Looked[] = [];
    const ofEmpty: Looked[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      ofEmpty.push(await look(empty));
      ofFull.push(await look(full));
    }
    const unread = join(bench.folder, "backlog-unread");
    cpSync(full, unread, { recursive: true });
    bench.progress("backlog: draining");
    const drain = await look(full, "drain");
    if (drain.drained !== RECORDS) throw new Error(`${drain.drained} of ${RECORDS} records came out`);
    bench.progress("backlog: draining to mosquitto");
    const uplink = fileURLToPath(new URL("drain-fieldpost.mjs", import.meta.url));
    const { mostMiB } = await withBroker(
      { maxInflight: WINDOW, extra: ["max_queued_messages 0"] },
      async ({ port }) => {
        const args = [unread, String(port), String(RECORDS), String(WINDOW)];
        return JSON.parse(await runNode([...flags, uplink, ...args], env)) as { readonly mostMiB: number[] };
      },
    );
    for (const folder of [full, unread, empty, `${full}-warm`, `${empty}-warm`])
      rmSync(folder, { recursive: true });
    const limit = (bound: number) => ({ of: "comparison", bound: "at most", limit: bound }) as const;
    return {
      figures: [
        {
          name: "open",
          unit: "ms",
          runs: ofFull.map(({ openMs }) => openMs),
          beside: { name: "empty", runs: ofEmpty.map(({ openMs }) => openMs), as: "ratio" },
          target: { of: "figure", bound: "at most", limit: OPEN_MAX_MS },
        },
        {
          name: "memory once open",
          unit: "MiB",
          runs: ofFull.map(({ openedMiB }) => openedMiB),
          beside: { name: "empty", runs: ofEmpty.map(({ openedMiB }) => openedMiB), as: "difference" },
          target: limit(OPEN_MAX_MIB),
        },
        {
          name: "most memory while draining",
          unit: "MiB",
          runs: [drain.mostMiB],
          beside: { name: "once open", runs: [drain.openedMiB], as: "difference" },
          target: limit(DRAIN_MAX_MIB),
        },
        {
          name: "most memory, last tenth to mosquitto",
          unit: "MiB",
          runs: [mostMiB[9]!],
          beside: { name: "second tenth", runs: [mostMiB[1]!], as: "difference" },
          target: limit(GROWTH_MAX_MIB),
        },
      ],
      notes: [
        `as ${START_SCRIPT} starts Node: ${[...Object.entries(env).map((pair) => pair.join("=")), ...flags].join(" ")}`,
        "memory: resident; to open and to peek and acknowledge: beyond what the process had before, open after a collection",
      ],
    };
  },
};
