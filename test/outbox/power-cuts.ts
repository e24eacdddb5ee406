import { expect } from "vitest";
import { seededRandom } from "../../src/device/random.ts";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import type { FileLayer } from "../../src/outbox/files/files.ts";
import { memoryDisk } from "../../src/outbox/files/memory.ts";
import { type OutboxDependencies, type OutboxOptions, openOutbox } from "../../src/outbox/open.ts";
import type { Entry, Outbox } from "../../src/outbox/outbox.ts";
import { storedBytes } from "../../src/outbox/segments/segment-format.ts";
import { SEED } from "../exhaustive.ts";
import {
  type Appended,
  brokenPromise,
  Consumer,
  NOTHING_PROMISED,
  type Promised,
  seriesOf,
} from "./consumer.ts";
import { CachedDisk, statesOf } from "./disk-states.ts";
import { type DiskState, type Operation, recordedDisk } from "./recorded-disk.ts";
import { DAY_MS, FOLDER, numbers } from "./rig.ts";

const SEGMENT_BYTES = 2048;

const OPTIONS: OutboxOptions = {
  path: FOLDER,
  maxSizeBytes: 20 * 1024 + 4 * 4096,
  segmentBytes: SEGMENT_BYTES,
  maxRecordBytes: 700,
  maxAgeMs: 30 * DAY_MS,
  whenFull: "drop_oldest",
  syncAfterMs: 1000,
};

/** What is not as in {@link OPTIONS}. */
export type Settings = Partial<OutboxOptions> & Pick<OutboxDependencies, "seriesOf">;

/** A run as it was recorded: what it asked of the disk, and what was promised when. */
export interface Recording {
  readonly start: DiskState;
  readonly log: readonly Operation[];
  /** Each holds from so many operations on. */
  readonly promises: readonly { readonly from: number; readonly promised: Promised }[];
  readonly appended: Appended;
}

/** A disk as it is found, and what was promised of it before. */
export interface Past {
  readonly state: DiskState;
  readonly promised: Promised;
  readonly appended: Appended;
}

/** One disk that a cut of the power after operation `at` could leave. */
export interface Cut extends Past {
  readonly at: number;
  /** What was about to be promised: a call was under way. */
  readonly after: Promised;
}

let boots = 0;
let runs = 0;

export function diskOf(state: DiskState): FileLayer {
  const mount = memoryDisk().mount();
  mount.makeFolder(FOLDER);
  for (const [name, bytes] of state) {
    const file = mount.open(`${FOLDER}/${name}`, "create");
    file.write(bytes, bytes.length, 0);
    file.close();
  }
  return mount;
}

class DeadError extends Error {
  readonly code = "EIO";
}

/** A process's way to its files, which ends with it. */
function mortal<T extends object>(way: T, life: { over: boolean }): T {
  return new Proxy(way, {
    get(target, key) {
      const found: unknown = Reflect.get(target, key);
      if (typeof found !== "function") return found;
      return (...args: readonly unknown[]) => {
        if (life.over && key !== "close") throw new DeadError(String(key));
        const result: unknown = Reflect.apply(found, target, args);
        return key === "open" ? mortal(Object(result), life) : result;
      };
    },
  });
}

/**
 * Runs of a node between two power cuts, one after the other: each `open` finds the one before dead or gone. `boot`: of the
 * kernel, which goes on where nothing but a process has died.
 */
export function machineOn(disk: FileLayer, settings: Settings = {}, boot = ++boots) {
  const clock = new VirtualClock({ wallMs: Date.UTC(2026, 5), bootId: `b${boot}` });
  const { seriesOf, ...always } = settings;
  let life = { over: false };
  const open = (options: Partial<OutboxOptions> = {}) => {
    const self = `${boot}-${++runs}-boot`;
    life.over = true;
    life = { over: false };
    const files = {
      ...mortal(disk, life),
      processes: { self, isRunning: (process: string) => process === self },
    };
    const random = seededRandom(boot);
    const dependencies = { files, clock, random, ...(seriesOf && { seriesOf }) };
    return openOutbox({ ...OPTIONS, ...always, ...options }, dependencies);
  };
  return { clock, open, boot };
}

export type Run = (
  open: (options?: Partial<OutboxOptions>) => Promise<Consumer>,
  clock: VirtualClock,
) => Promise<void>;

/** Carries out runs of a node on a disk that writes down what it is asked. */
export async function record(past: Past, run: Run, settings: Settings = {}): Promise<Recording> {
  const { state, promised } = past;
  const appended = new Map(past.appended);
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

/** Every disk that a power cut at one in `oneIn` instants could leave, `limit` at most for each instant. */
export function* cutsOf(
  recording: Recording,
  limit: number,
  random: () => number,
  oneIn = 1,
): Generator<Cut> {
  const { start, log, promises, appended } = recording;
  const disk = new CachedDisk(start);
  for (let at = 0; at <= log.length; at++) {
    if (at > 0) disk.apply(log[at - 1]!, at - 1);
    if (random() * oneIn >= 1) continue;
    const index = promises.findLastIndex(({ from }) => from <= at);
    const { promised } = promises[index]!;
    const after = (promises[index + 1] ?? promises[index]!).promised;
    for (const state of statesOf(disk, limit, random)) yield { state, promised, after, appended, at };
  }
}

export const NO_PAST: Past = { state: new Map(), promised: NOTHING_PROMISED, appended: new Map() };

/** Opens the outbox on what a power cut left; returns the promise that does not hold, if any. */
async function tryOut(past: Cut, thorough: boolean, settings: Settings): Promise<string | undefined> {
  const { open } = machineOn(diskOf(past.state), settings);
  const outbox = await open();
  const broken = brokenPromise(
    outbox,
    past.appended,
    past.promised,
    past.after,
    settings.seriesOf !== undefined,
  );
  if (broken !== undefined) return broken;
  const { nextSeq } = outbox.status();
  for (const seq of numbers(nextSeq, nextSeq + 2)) {
    const given = outbox.append(Buffer.from(String(seq)));
    if (given !== seq) return `${given} was given instead of ${seq}`;
  }
  const seqs = outbox.peek(nextSeq, 10).map(({ seq }) => seq);
  if (seqs.join() !== numbers(nextSeq, nextSeq + 2).join()) return `${seqs} are there at the end`;
  if (!thorough) return undefined;
  const isLasting = ({ record }: Entry) => settings.seriesOf?.(record) === undefined;
  const lasting = seqsOf(outbox, isLasting).join();
  const again = await open();
  if (seqsOf(again, isLasting).join() !== lasting) return "a kill after it costs records";
  return settings.seriesOf && past.at % 25 === 0 ? goOn(again, past, open) : undefined;
}

/** Fills it once more, kills it again, and looks for the events. */
async function goOn(outbox: Outbox, past: Cut, open: () => Promise<Outbox>): Promise<string | undefined> {
  const there = outbox.peek(1, 100_000);
  const appended = new Map(there.map(({ seq, record }) => [seq, Buffer.from(record).toString("latin1")]));
  const promised = { ...past.after, durable: new Set(there.map(({ seq }) => seq)) };
  const node = new Consumer(outbox, appended, promised, () => {});
  // What was delivered and has come back makes room first.
  const waits = ({ seq }: Entry) => seq > past.after.acked;
  for (let hour = 0; hour < 8; hour++) {
    const before = outbox.peek(1, 100_000).filter(waits);
    node.measure(12);
    await node.sync();
    const left = hour < 7 ? outbox : await open();
    const gone = eventThatWentBeforeReadings(before, left.peek(1, 100_000));
    if (gone !== undefined) return `${gone}, an event, is gone when more was written`;
    if (left === outbox) continue;
    const changed = left.peek(1, 100_000).find((entry) => !bytesOf(appended, entry.seq).equals(entry.record));
    if (changed !== undefined) return `${changed.seq} holds something else after more was written`;
  }
  return undefined;
}

/**
 * An event that had to go although there were readings on flash that could. Those in the segment that was written to, and
 * in a single one beside it, cannot: only of two or more segments one is gained.
 */
function eventThatWentBeforeReadings(before: readonly Entry[], left: readonly Entry[]): number | undefined {
  const seqs = new Set(left.map(({ seq }) => seq));
  const isReading = ({ record }: Entry) => seriesOf(record) !== undefined;
  const stayed = before.filter((entry) => isReading(entry) && seqs.has(entry.seq));
  const stayedBytes = stayed.reduce((sum, { record }) => sum + storedBytes(record.length), 0);
  if (stayedBytes <= 2 * SEGMENT_BYTES) return undefined;
  return before.find((entry) => !isReading(entry) && !seqs.has(entry.seq))?.seq;
}

const bytesOf = (appended: Appended, seq: number) => Buffer.from(appended.get(seq) ?? "", "latin1");

export const seqsOf = (outbox: Outbox, isWanted: (entry: Entry) => boolean = () => true) =>
  outbox
    .peek(1, 100_000)
    .filter(isWanted)
    .map(({ seq }) => seq);

/** Tries out what {@link cutsOf} a recording makes. Returns how many disks there were. */
export async function tryOutAll(
  recording: Recording,
  limit: number,
  random: () => number,
  settings: Settings = {},
  oneIn = 1,
): Promise<number> {
  let states = 0;
  for (const past of cutsOf(recording, limit, random, oneIn)) {
    const broken = await tryOut(past, states++ % 10 === 0, settings);
    expect(broken, `SEED=${SEED}, after operation ${past.at} of ${recording.log.length}`).toBeUndefined();
  }
  return states;
}
