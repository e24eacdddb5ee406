import { describe, expect, test } from "vitest";
import { seededRandom } from "../../src/device/random.ts";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import type { FileLayer } from "../../src/outbox/files/files.ts";
import { memoryDisk } from "../../src/outbox/files/memory.ts";
import { type OutboxOptions, openOutbox } from "../../src/outbox/open.ts";
import type { Outbox } from "../../src/outbox/outbox.ts";
import { type Appended, brokenPromise, Consumer, NOTHING_PROMISED, type Promised } from "./consumer.ts";
import { CachedDisk, statesOf } from "./disk-states.ts";
import { type DiskState, type Operation, recordedDisk } from "./recorded-disk.ts";
import { DAY_MS, FOLDER, numbers, TAIL } from "./rig.ts";

/** Another one each time; that of a failure replays it. */
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

const OPTIONS: OutboxOptions = {
  path: FOLDER,
  maxSizeBytes: 20 * 1024 + 4 * 4096,
  segmentBytes: 2048,
  maxRecordBytes: 700,
  maxAgeMs: 30 * DAY_MS,
  whenFull: "drop_oldest",
  syncAfterMs: 1000,
};

/** With a tail: what it holds is gone after the cut, so that only the disk's operations are recorded. */
const WITH_TAIL: Partial<OutboxOptions> = { tail: TAIL };

/** A run as it was recorded: what it asked of the disk, and what was promised when. */
interface Recording {
  readonly start: DiskState;
  readonly log: readonly Operation[];
  /** Each holds from so many operations on. */
  readonly promises: readonly { readonly from: number; readonly promised: Promised }[];
  readonly appended: Appended;
}

/** A disk as it is found, and what was promised of it before. */
interface Past {
  readonly state: DiskState;
  readonly promised: Promised;
  readonly appended: Appended;
}

/** One disk that a cut of the power after operation `at` could leave. */
interface Cut extends Past {
  readonly at: number;
  /** What was about to be promised: a call was under way. */
  readonly after: Promised;
}

let boots = 0;

function diskOf(state: DiskState): FileLayer {
  const mount = memoryDisk().mount();
  mount.makeFolder(FOLDER);
  for (const [name, bytes] of state) {
    const file = mount.open(`${FOLDER}/${name}`, "create");
    file.write(bytes, bytes.length, 0);
    file.close();
  }
  return mount;
}

/** Runs of a node between two power cuts, one after the other: each `open` finds the one before dead or gone. */
function machineOn(disk: FileLayer, settings: Partial<OutboxOptions> = {}) {
  const boot = ++boots;
  const clock = new VirtualClock({ wallMs: Date.UTC(2026, 5), bootId: `b${boot}` });
  let runs = 0;
  const open = (options: Partial<OutboxOptions> = {}) => {
    const self = `${boot}-${++runs}-boot`;
    const files = { ...disk, processes: { self, isRunning: (process: string) => process === self } };
    return openOutbox({ ...OPTIONS, ...settings, ...options }, { files, clock, random: seededRandom(boot) });
  };
  return { clock, open };
}

type Run = (
  open: (options?: Partial<OutboxOptions>) => Promise<Consumer>,
  clock: VirtualClock,
) => Promise<void>;

/** Carries out runs of a node on a disk that writes down what it is asked. */
async function record(
  { state, promised, appended }: Past,
  run: Run,
  settings: Partial<OutboxOptions> = {},
): Promise<Recording> {
  const disk = recordedDisk(diskOf(state), state);
  const { clock, open } = machineOn(disk.files, settings);
  const promises = [{ from: 0, promised }];
  const note = (now: Promised) => void promises.push({ from: disk.log.length, promised: now });
  await run(
    async (options) => new Consumer(await open(options), appended, promises.at(-1)!.promised, note),
    clock,
  );
  return { start: state, log: disk.log, promises, appended };
}

/** Every disk that a power cut at any instant of a recording could leave, `limit` at most for each instant. */
function* cutsOf(recording: Recording, limit: number, random: () => number): Generator<Cut> {
  const { start, log, promises, appended } = recording;
  const disk = new CachedDisk(start);
  for (let at = 0; at <= log.length; at++) {
    if (at > 0) disk.apply(log[at - 1]!, at - 1);
    const index = promises.findLastIndex(({ from }) => from <= at);
    const { promised } = promises[index]!;
    const after = (promises[index + 1] ?? promises[index]!).promised;
    for (const state of statesOf(disk, limit, random)) yield { state, promised, after, appended, at };
  }
}

/** A node's days: all that the outbox does with its files happens in them. */
const days: Run = async (open, clock) => {
  let node = await open();
  node.boot();
  node.append(5);
  node.deliver(3);
  await node.sync();
  node.append(6);
  await node.sync(3);
  node.deliver(4);
  node.append(30);
  await node.wait(clock, 1000);
  node.append(2);
  // Killed: the next one finds what it handed to the kernel.
  node = await open();
  node.boot();
  node.append(3);
  node.deliver(25);
  node.append(20);
  await node.sync(2);
  await node.close();
  node = await open();
  node.boot();
  node.deliver(100);
  for (let i = 0; i < 8; i++) {
    node.append(7);
    node.deliver(6);
  }
  await node.sync();
  node.append(100);
  node.report();
  node.append(12);
  node.report();
  await node.sync(4);
  node.report();
  node.deliver(50);
  node.append(10);
  await node.close();
  node = await open({ whenFull: "drop_newest" });
  node.boot();
  node.append(90);
  node.report();
  node.deliver(30);
  node.append(3);
  node.report();
  await node.sync();
  node.append(2);
  // Less room than before: the oldest segments go.
  node = await open({ segmentBytes: 1024 });
  node.boot();
  node.report();
  node.append(5);
  await node.close();
};

/** The run after a power cut, which the next one may end at any instant. */
const dayAfter: Run = async (open, clock) => {
  let node = await open();
  node.boot();
  node.report();
  node.append(4);
  node.deliver(15);
  await node.sync(1);
  node.append(30);
  node.report();
  await node.wait(clock, 1000);
  node.deliver(20);
  node.append(25);
  await node.close();
  node = await open();
  node.boot();
};

/** Every record is on flash when its number is given. */
const carefulDays: Run = async (open, clock) => {
  for (let day = 0; day < 3; day++) {
    const node = await open({ syncAfterMs: 0 });
    node.boot();
    for (let i = 0; i < 15; i++) {
      node.append(1);
      await node.wait(clock, 0);
      if (i % 5 === 4) node.deliver(4);
    }
    if (day === 1) await node.close();
  }
};

const NO_PAST: Past = { state: new Map(), promised: NOTHING_PROMISED, appended: new Map() };

/** Opens the outbox on what a power cut left; returns the promise that does not hold, if any. */
async function tryOut(
  past: Cut,
  thorough: boolean,
  settings: Partial<OutboxOptions>,
): Promise<string | undefined> {
  const { open } = machineOn(diskOf(past.state), settings);
  const outbox = await open();
  const broken = brokenPromise(outbox, past.appended, past.promised, past.after);
  if (broken !== undefined) return broken;
  const { nextSeq } = outbox.status();
  for (const seq of numbers(nextSeq, nextSeq + 2)) {
    const given = outbox.append(Buffer.from(String(seq)));
    if (given !== seq) return `${given} was given instead of ${seq}`;
  }
  const seqs = seqsOf(outbox);
  if (seqs.slice(-3).join() !== numbers(nextSeq, nextSeq + 2).join()) return `${seqs} are there at the end`;
  if (thorough && seqsOf(await open()).join() !== seqs.join()) return "a kill after it costs records";
  return undefined;
}

const seqsOf = (outbox: Outbox) => outbox.peek(1, 100_000).map(({ seq }) => seq);

/** Tries out every disk that a power cut could leave of a recording. Returns how many there were. */
async function tryOutAll(
  recording: Recording,
  limit: number,
  random: () => number,
  settings: Partial<OutboxOptions> = {},
): Promise<number> {
  let states = 0;
  for (const past of cutsOf(recording, limit, random)) {
    const broken = await tryOut(past, states++ % 10 === 0, settings);
    expect(broken, `SEED=${SEED}, after operation ${past.at} of ${recording.log.length}`).toBeUndefined();
  }
  return states;
}

/** Of each kind of outbox; together well above 20,000. */
const LEAST_STATES = 10_000;

/** A busy machine is no failure. */
const PATIENCE = { timeout: 120_000 };

describe(`whatever a power cut leaves of the disk (SEED=${SEED})`, PATIENCE, () => {
  test.each([
    ["without a tail", {}, 19],
    ["with a tail", WITH_TAIL, 45],
  ] as const)("the outbox keeps every promise that it made before, %s", async (_, settings, limit) => {
    const recording = await record(NO_PAST, days, settings);
    const states = await tryOutAll(recording, limit, seededRandom(SEED), settings);
    // biome-ignore lint/suspicious/noConsole: the seed replays the run
    console.info(`${states} disks tried out, SEED=${SEED}`);
    expect(states).toBeGreaterThan(LEAST_STATES);
  });

  test("the outbox keeps them also where the power fails again while it recovers or soon after", async () => {
    const random = seededRandom(SEED + 1);
    for (const settings of [{}, WITH_TAIL]) {
      const first = await record(NO_PAST, days, settings);
      for (const past of cutsOf(first, 8, random)) {
        if (random() > 0.002) continue;
        const found = new Set(seqsOf(await machineOn(diskOf(past.state)).open()));
        const promised = { ...past.after, given: past.promised.given, durable: found };
        const second = await record(
          { ...past, promised, appended: new Map(past.appended) },
          dayAfter,
          settings,
        );
        await tryOutAll(second, 4, random, settings);
      }
    }
  });

  test("nothing at all is missing where every append is synced", async () => {
    const recording = await record(NO_PAST, carefulDays);
    await tryOutAll(recording, 16, seededRandom(SEED + 2));
  });

  test("a disk that ignores syncs does not get away with it here", async () => {
    const recording = await record(NO_PAST, carefulDays);
    const log = recording.log.map((operation) =>
      operation.do === "sync" ? { ...operation, until: 0 } : operation,
    );
    await expect(tryOutAll({ ...recording, log }, 4, seededRandom(SEED + 3))).rejects.toThrow("SEED=");
  });
});
