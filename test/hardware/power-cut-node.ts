import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Guest, WriteCache } from "./boot.ts";
import { BUILT, bundle } from "./bundles.ts";
import { bootGuest } from "./guest.ts";
import type { Life, Told } from "./power-cut-account.ts";

const SCRIPT = fileURLToPath(new URL("guest/power-cut.sh", import.meta.url));
const DISK_BYTES = 64 * 1024 * 1024;

const DRAIN_LIMIT_MS = 40_000;

const configuration = ({ syncAfterMs, tail }: PowerCutNodeOptions) => `
device: { id: n1 }
mqtt: { url: "mqtt://127.0.0.1:1883", reconnect: { min: 50ms, max: 100ms } }
buffer:
  path: /mnt/disk/outbox
  max_size: 16MiB
  sync_after: ${syncAfterMs}ms
  replay: { rate: 0 }${tail ? "\n  tail: /run/fieldpost" : ""}
sensors:
  - { id: one, driver: host, interval: 50ms }
  - { id: two, driver: ./wide.js, interval: 50ms }
  - { id: three, driver: ./wide.js, interval: 50ms }
`;

/** A driver whose records are so long (5 kB) that the outbox's segments fill while the test runs. */
const WIDE_DRIVER = `
const names = Array.from({ length: 200 }, (_, nth) => "quantity_" + nth);
export default {
  name: "wide", bus: "host", chip: "none", description: "Many numbers", datasheet: "none", options: {},
  fields: Object.fromEntries(names.map((name) => [name, { unit: "", precision: 3 }])),
  open: async () => ({ read: async () => Object.fromEntries(names.map((name) => [name, 1_000 * Math.random()])) }),
};
`;

export interface PowerCutNodeOptions {
  readonly syncAfterMs: number;
  /** Absent: the disk has none. */
  readonly writeCache?: WriteCache | undefined;
  /** The youngest records are in the guest's memory. */
  readonly tail?: boolean;
}

/** A life of the node, and what its start found on the disk. */
export interface Lived extends Omit<Life, "survivors"> {
  readonly found: readonly Told[];
}

/** A node whose outbox is on a disk of its own, an ext4 as a Raspberry Pi's. */
export interface PowerCutNode {
  /** Starts it and cuts its power so much later. The broker goes after its own time; 0: there is none. */
  live(options: { readonly forMs: number; readonly brokerForMs: number }): Promise<Lived>;
  /** A life with a broker that goes on until everything from before it has been handed out. */
  drain(): Promise<Lived>;
  remove(): Promise<void>;
}

export async function createNode(options: PowerCutNodeOptions): Promise<PowerCutNode> {
  const { writeCache } = options;
  const folder = await mkdtemp(join(tmpdir(), "fieldpost-disk-"));
  const image = join(folder, "disk.img");
  await writeFile(image, "");
  await truncate(image, DISK_BYTES);
  execFileSync("/sbin/mke2fs", ["-q", "-t", "ext4", "-b", "4096", image]);
  const [broker] = await bundle("broker.ts");
  const script = await readFile(SCRIPT, "utf8");
  let lives = 0;

  /** Boots, looks at what the last cut left, starts the program, and cuts the power when `enough` resolves. */
  async function life(
    brokerForMs: number,
    enough: (guest: Guest, found: readonly Told[]) => Promise<void>,
  ): Promise<Lived> {
    const environment = {
      NODE: process.execPath,
      FIELDPOST: join(BUILT, "fieldpost.js"),
      BROKER: broker!,
      BROKER_S: String(brokerForMs / 1_000),
    };
    const assignments = Object.entries(environment).map(([name, value]) => `${name}='${value}'\n`);
    lives++;
    const guest = await bootGuest({
      script: `${assignments.join("")}${script}`,
      files: {
        "fieldpost.yaml": configuration(options),
        "wide.js": WIDE_DRIVER,
        "package.json": '{ "type": "module" }',
      },
      disk: { image, ...(writeCache && { writeCache: { ...writeCache, seed: writeCache.seed + lives } }) },
    });
    try {
      await guest.line(/^the node starts/);
      const found = exported(await readFile(join(guest.folder, "survivors"), "utf8"));
      await enough(guest, found);
      const cutAtMs = Date.now();
      await guest.cutPower();
      const printed = guest.printed();
      return { found, runningAtMs: runningAt(printed), cutAtMs, heard: heardIn(printed) };
    } finally {
      await guest.cutPower();
      await guest.remove();
    }
  }

  return {
    live: ({ forMs, brokerForMs }) => life(brokerForMs, () => sleep(forMs)),
    drain: () =>
      life(DRAIN_LIMIT_MS, async (guest, found) => {
        const lastSeq = found.at(-1)?.seq ?? 0;
        for (let waitedMs = 0; waitedMs < DRAIN_LIMIT_MS; waitedMs += 100) {
          if (heardIn(guest.printed()).some(({ seq, topic }) => seq > lastSeq && topic === "event/boot"))
            return;
          await sleep(100);
        }
        throw new Error(
          `the backlog was not handed out in ${DRAIN_LIMIT_MS} ms:\n${guest.printed().slice(-4_000)}`,
        );
      }),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** From the program's own log. */
function runningAt(printed: string): number | undefined {
  const [, time] = /^\{"time":"([^"]+)".*"fieldpost is running"/m.exec(printed) ?? [];
  return time === undefined ? undefined : Date.parse(time);
}

/** What the broker printed. The last line may be cut short. */
function heardIn(printed: string): Told[] {
  return [...printed.matchAll(/^heard fieldpost\/n1\/((?:telemetry|event)\/\S+) (\{.*\})\r?$/gm)].map(
    ([, topic, json]) => toTold(topic!, JSON.parse(json!)),
  );
}

function exported(text: string): Told[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const { topic, seq, time, fields } = JSON.parse(line);
      return toTold(topic, { seq, time, ...fields });
    });
}

function toTold(topic: string, { seq, time, ...fields }: { seq: number; time: string }): Told {
  return { seq, topic, timeMs: Date.parse(time), fields };
}
