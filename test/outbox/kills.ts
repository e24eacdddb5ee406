import { Losses } from "../../src/audit/losses.ts";
import { RangeSet } from "../../src/audit/ranges.ts";
import type { FileLayer } from "../../src/outbox/files/files.ts";
import { memoryDisk } from "../../src/outbox/files/memory.ts";
import type { Drop, Outbox } from "../../src/outbox/outbox.ts";
import {
  type Appended,
  brokenPromise,
  Consumer,
  NOTHING_PROMISED,
  type Promised,
  seriesOf,
} from "./consumer.ts";
import { machineOn, type Run, type Settings, seqsOf } from "./power-cuts.ts";
import { FOLDER, numbers, TAIL } from "./rig.ts";

/** Files by path, those in memory among them. */
type Files = ReadonlyMap<string, Uint8Array>;

/** What a process leaves that is killed after operation `at`: all that it wrote is there. */
export interface Kill {
  readonly at: number;
  readonly files: Files;
  readonly promised: Promised;
  /** What was about to be promised: a call was under way. */
  readonly after: Promised;
}

/** A run, as a kill after each of its operations on files would leave it. */
export interface KilledRun {
  readonly kills: readonly Kill[];
  readonly appended: Appended;
  readonly boot: number;
}

function bytesAt(files: FileLayer, path: string): Uint8Array {
  const file = files.open(path, "read");
  const bytes = new Uint8Array(file.sizeBytes());
  file.read(bytes, 0);
  file.close();
  return bytes;
}

/** A file layer that tells of each change after it was made: of the paths that hold something else now, or nothing. */
function watched(files: FileLayer, onChange: (...paths: readonly string[]) => void): FileLayer {
  return {
    ...files,
    open(path, mode) {
      const isThere = files
        .list(path.slice(0, path.lastIndexOf("/")))
        .some((name) => path.endsWith(`/${name}`));
      const file = files.open(path, mode);
      if (!isThere) onChange(path);
      return {
        ...file,
        write(bytes, lengthBytes, position) {
          file.write(bytes, lengthBytes, position);
          onChange(path);
        },
        truncate(sizeBytes) {
          file.truncate(sizeBytes);
          onChange(path);
        },
      };
    },
    rename(from, to) {
      files.rename(from, to);
      onChange(from, to);
    },
    remove(path) {
      files.remove(path);
      onChange(path);
    },
  };
}

export async function killedAfterEach(run: Run, settings: Settings): Promise<KilledRun> {
  const disk = memoryDisk().mount();
  const appended: Appended = new Map();
  const promises = [{ from: 0, promised: NOTHING_PROMISED }];
  const states: Files[] = [];
  const files = watched(disk, (...paths) => {
    const state = new Map(states.at(-1));
    for (const path of paths) {
      const folder = path.slice(0, path.lastIndexOf("/"));
      if (disk.list(folder).some((name) => path === `${folder}/${name}`))
        state.set(path, bytesAt(disk, path));
      else state.delete(path);
    }
    states.push(state);
  });
  const { clock, open, boot } = machineOn(files, settings);
  const note = (promised: Promised) => void promises.push({ from: states.length, promised });
  await run(
    async (options) => new Consumer(await open(options), appended, promises.at(-1)!.promised, note),
    clock,
  );
  const kills = states.map((state, index) => {
    const at = index + 1;
    const nth = promises.findLastIndex(({ from }) => from <= at);
    const { promised } = promises[nth]!;
    return { at, files: state, promised, after: (promises[nth + 1] ?? promises[nth]!).promised };
  });
  return { kills, appended, boot };
}

function diskWith(files: Files): FileLayer {
  const mount = memoryDisk().mount();
  mount.makeFolder(FOLDER);
  for (const [path, bytes] of files) {
    mount.makeFolder(path.slice(0, path.lastIndexOf("/")));
    const file = mount.open(path, "create");
    file.write(bytes, bytes.length, 0);
    file.close();
  }
  return mount;
}

/** Opens the outbox on what a kill left; returns the promise that does not hold, if any. */
export async function tryOutKill(
  { files, promised, after }: Kill,
  { appended, boot }: KilledRun,
  settings: Settings,
): Promise<string | undefined> {
  const judged = await machineOn(diskWith(files), settings, boot).open();
  const { skipped } = judged.opening;
  if (skipped && !isTailBegun(files)) return undefined;
  if (skipped) return `${skipped.fromSeq} to ${skipped.toSeq} are skipped, and the power stayed on`;
  const { nextSeq } = judged.status();
  if (nextSeq > after.given + 1) return `${nextSeq} comes next, and ${after.given} was the last`;
  // Whatever was handed to the kernel is there.
  const durable = new Set(numbers(1, promised.given));
  const broken = brokenPromise(judged, appended, { ...promised, durable }, after, true);
  if (broken !== undefined) return broken;
  const { open } = machineOn(diskWith(files), settings, boot);
  const outbox = await open();
  const there = eventsIn(outbox);
  for (const seq of numbers(nextSeq, nextSeq + 2)) {
    const given = outbox.append(Buffer.from(`${seq} after the kill `));
    if (given !== seq) return `${given} was given instead of ${seq}`;
  }
  const again = await open();
  const left = eventsIn(again).join();
  if (left !== [...there, ...numbers(nextSeq, nextSeq + 2)].join())
    return `${left} are the events that another kill leaves`;
  return brokenAccount(again, nextSeq + 2, { after, appended });
}

/** Before its own `ack` was written a tail does not tell how far numbers went, and the next start goes on behind the reservation. */
function isTailBegun(files: Files): boolean {
  const acks = [...files].filter(([path]) => path.startsWith(`${TAIL}/`) && path.endsWith("/ack"));
  return acks.some(([, bytes]) => bytes.some((byte) => byte !== 0));
}

const eventsIn = (outbox: Outbox) => seqsOf(outbox, ({ record }) => seriesOf(record) === undefined);

/** Delivers everything, and holds all that the consumer was ever told against all that it has. */
function brokenAccount(
  outbox: Outbox,
  lastSeq: number,
  { after, appended }: Pick<Kill, "after"> & Pick<KilledRun, "appended">,
): string | undefined {
  const delivered = new RangeSet();
  for (let page = outbox.peek(1, 50); page.length > 0; page = outbox.peek(1, 50)) {
    for (const { seq } of page) delivered.add(seq);
    outbox.ack(page.at(-1)!.seq);
  }
  outbox.append(Buffer.from("at the end "));
  const drops = outbox.takeDrops();
  for (const { fromSeq, toSeq, count, reason } of drops) {
    const open = delivered.gaps(fromSeq, toSeq).reduce((sum, { from, to }) => sum + to - from + 1, 0);
    if (count > open)
      return `${count} are told as ${reason} from ${fromSeq} to ${toSeq}, ${open} did not come`;
  }
  for (const seq of after.seen) delivered.add(seq);
  const losses = new Losses();
  for (const { fromSeq, toSeq, count, reason } of [...reportsIn(appended, delivered), ...drops])
    losses.drop({ from: fromSeq, to: toSeq, count }, reason);
  const missing = losses.missing(delivered.gaps(1, lastSeq));
  return missing.length === 0 ? undefined : `vanished: ${JSON.stringify(missing)}`;
}

/** The accounts in records that the consumer has. */
function reportsIn(appended: Appended, received: RangeSet): Drop[] {
  return [...appended].flatMap(([seq, text]) => {
    const [, fromSeq, toSeq, count, reason] = /^\d+ told (\d+) (\d+) (\d+) (\w+) /.exec(text) ?? [];
    if (reason === undefined || !received.has(seq)) return [];
    return [
      {
        fromSeq: Number(fromSeq),
        toSeq: Number(toSeq),
        count: Number(count),
        reason: reason as Drop["reason"],
      },
    ];
  });
}
