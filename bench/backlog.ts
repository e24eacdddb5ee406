import { rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Part } from "./figure.ts";
import { runNode } from "./node-process.ts";
import { openStore } from "./store.ts";

const ROUNDS = 5;
const RECORDS = 5_000_000;
/** 20 bytes before each, on disk. */
const PAYLOAD_BYTES = 196;
const OPEN_MAX_MS = 200;
const OPEN_MAX_MIB = 10;

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
  title: `${RECORDS / 1e6} million records wait, 1 GiB on disk; ${ROUNDS} starts, and one drain`,
  onRequest: true,
  async measure(bench) {
    const full = join(bench.folder, "backlog-full");
    const empty = join(bench.folder, "backlog-empty");
    bench.progress("backlog: filling");
    const store = await openStore(full, { maxSizeBytes: 4 * 1024 ** 3 });
    const record = Buffer.alloc(PAYLOAD_BYTES, "reading ");
    for (let count = 0; count < RECORDS; count++) store.append(record);
    await store.close();
    await (await openStore(empty, { maxSizeBytes: 4 * 1024 ** 3 })).close();
    const program = fileURLToPath(new URL("backlog-process.mjs", import.meta.url));
    const look = async (...args: string[]) =>
      JSON.parse(await runNode(["--expose-gc", program, ...args])) as Looked;
    const ofFull: Looked[] = [];
    const ofEmpty: Looked[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      ofEmpty.push(await look(empty));
      ofFull.push(await look(full));
    }
    bench.progress("backlog: draining");
    const drain = await look(full, "drain");
    if (drain.drained !== RECORDS) throw new Error(`${drain.drained} of ${RECORDS} records came out`);
    for (const folder of [full, empty, `${full}-warm`, `${empty}-warm`]) rmSync(folder, { recursive: true });
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
        },
      ],
      notes: ["memory: resident, beyond what the process had before, after a collection"],
    };
  },
};
