import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { withBroker } from "./broker.ts";
import { type Bench, type Figure, type Findings, median, type Part } from "./figure.ts";
import { type OwnProcess, startNode } from "./node-process.ts";
import { START_SCRIPT, serviceSettings } from "./service.ts";

/** Of each kind, all at the same time. */
const PROCESSES = 4;
const SETTLE_MS = 22_000;
const LOOKS = 8;
const LOOK_EVERY_MS = 500;
const MAX_ABOVE_BARE_MIB = 16;

/** What a node takes of a small board's memory, beyond what Node itself does. */
export const memory: Part = {
  name: "memory",
  title: `resident after ${SETTLE_MS / 1000} s of 10 sensors at 1 Hz, outbox, broker; ${PROCESSES} processes of each kind`,
  measure: (bench) => withBroker({}, ({ port }) => measureBeside(bench, port)),
};

async function measureBeside(bench: Bench, port: number): Promise<Findings> {
  const { flags, env } = serviceSettings();
  const kinds: OwnProcess[][] = [[], [], [], []];
  try {
    for (let copy = 0; copy < PROCESSES; copy++) {
      kinds[0]!.push(startNode(["-e", "setInterval(() => {}, 1000)"]));
      kinds[1]!.push(startNode([...flags, ...(await runArgs(bench, port, `real-${copy}`, false))], env));
      kinds[2]!.push(startNode(await runArgs(bench, port, `plain-${copy}`, false)));
      kinds[3]!.push(startNode(await runArgs(bench, port, `simulated-${copy}`, true)));
    }
    const all = kinds.flat();
    const waiting = sleep(SETTLE_MS);
    await Promise.all(all.map((each) => each.during(waiting)));
    const looks = await lookAt(all);
    const [bare, real, plain, simulated] = kinds.map((processes) =>
      processes.map(({ pid }) => looks.get(pid)!),
    );
    return {
      figures: [
        ...compare("real board, as the service runs it", real!, bare!, MAX_ABOVE_BARE_MIB),
        ...compare("real board, started by hand", plain!, bare!),
        ...compare("simulated board, one output", simulated!, bare!),
      ],
      notes: [
        `MiB = 1,048,576 bytes; the target of 16 MB is read as ${MAX_ABOVE_BARE_MIB} MiB`,
        `${START_SCRIPT} gives Node ${[...Object.entries(env).map((pair) => pair.join("=")), ...flags].join(" ")}`,
        "the real board runs ten host sensors and no output: outputs need GPIO lines",
      ],
    };
  } finally {
    await Promise.all(kinds.flat().map((each) => each.end()));
  }
}

async function runArgs(
  bench: Bench,
  port: number,
  device: string,
  simulate: boolean,
): Promise<readonly string[]> {
  const file = join(bench.folder, `${device}.yaml`);
  await writeFile(
    file,
    `
device: { id: ${device} }
mqtt: { url: "mqtt://127.0.0.1:${port}" }
telemetry: { interval: 1s }
buffer: { path: ${join(bench.folder, device)} }
sensors:
${Array.from({ length: 10 }, (_, index) => `  - { id: h${index}, driver: host }`).join("\n")}
${simulate ? "actuators: [{ id: pump, driver: digital_output, pin: 22 }]" : ""}
`,
  );
  return [bench.bundle, "run", ...(simulate ? ["--simulate"] : []), "--config", file];
}

/** proc(5), `status`: what is resident, and the part of it that no other process shares. */
interface Resident {
  readonly rssMiB: number;
  readonly anonymousMiB: number;
}

async function lookAt(processes: readonly OwnProcess[]): Promise<ReadonlyMap<number, Resident>> {
  const seen = new Map<number, Resident[]>(processes.map(({ pid }) => [pid, []]));
  for (let look = 0; look < LOOKS; look++) {
    for (const [pid, residents] of seen) residents.push(residentOf(pid));
    await sleep(LOOK_EVERY_MS);
  }
  return new Map(
    [...seen].map(([pid, residents]) => [
      pid,
      {
        rssMiB: median(residents.map(({ rssMiB }) => rssMiB)),
        anonymousMiB: median(residents.map(({ anonymousMiB }) => anonymousMiB)),
      },
    ]),
  );
}

function residentOf(pid: number): Resident {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const mib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) / 1024;
  return { rssMiB: mib("VmRSS"), anonymousMiB: mib("RssAnon") };
}

function compare(
  name: string,
  ours: readonly Resident[],
  bare: readonly Resident[],
  maxAboveMiB?: number,
): Figure[] {
  const figure = (what: string, pick: (resident: Resident) => number): Figure => ({
    name: `${name}, ${what}`,
    unit: "MiB",
    runs: ours.map(pick),
    beside: { name: "bare node", runs: bare.map(pick), as: "difference" },
  });
  const resident = figure("resident (VmRSS)", ({ rssMiB }) => rssMiB);
  return [
    maxAboveMiB === undefined
      ? resident
      : { ...resident, target: { of: "comparison", bound: "at most", limit: maxAboveMiB } },
    figure("of it anonymous (RssAnon)", ({ anonymousMiB }) => anonymousMiB),
  ];
}
