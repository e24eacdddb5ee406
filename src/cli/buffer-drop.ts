import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import { linuxClock } from "../device/linux/clock.ts";
import { systemRandom } from "../device/linux/random.ts";
import { silentLog } from "../log.ts";
import { accountsIn } from "../node/accounts.ts";
import { type Dropped, dropWaiting } from "../node/drop.ts";
import { folderError } from "../node/outbox-folder.ts";
import { recordBoot } from "../node/reporting.ts";
import { nodeFiles } from "../outbox/files/node.ts";
import type { Inspection } from "../outbox/inspect.ts";
import { type OutboxOptions, openOutbox } from "../outbox/open.ts";
import { OutboxLockedError } from "../outbox/state/lock.ts";
import { createRecorder } from "../record/recorder.ts";
import { seriesOf } from "../record/series.ts";
import { CliError, EXIT, wrongUsage } from "./exit.ts";
import type { CliIo } from "./io.ts";
import { askNodeOn } from "./local.ts";

export interface DropOptions {
  readonly outbox: Inspection;
  readonly path: string;
  /** Needed where no node runs: how the outbox is to be opened. */
  readonly settings: OutboxOptions | undefined;
  /** The last to be dropped; undefined: what waits now. */
  readonly toSeq: number | undefined;
  /** Nobody is to be asked. */
  readonly yes: boolean;
  readonly version: string;
}

/**
 * `fieldpost buffer drop`: deletes what waits for the broker, after asking. Never silent: the stream gets an
 * `event/dropped` with reason `operator`.
 */
export async function drop(options: DropOptions, io: CliIo): Promise<number> {
  const { outbox, path, settings, toSeq, yes, version } = options;
  if (outbox.ownerPid === undefined && settings === undefined)
    throw wrongUsage("drop needs the configuration of a node that is not running: --config FILE");
  const lastSeq = Math.min(toSeq ?? outbox.lastSeq, outbox.lastSeq);
  const waiting = toSeq === undefined ? outbox.depth : countUpTo(lastSeq, outbox);
  if (waiting === 0) {
    io.stderr("nothing to drop\n");
    return EXIT.done;
  }
  if (
    !yes &&
    !(await agrees(`Drop ${waiting} records up to number ${lastSeq}, which no broker has? [y/N] `))
  ) {
    io.stderr("nothing was dropped\n");
    return EXIT.failed;
  }
  const { count, fromSeq } =
    outbox.ownerPid === undefined
      ? await dropHere(settings!, lastSeq, version)
      : await dropThere(path, outbox.ownerPid, lastSeq);
  io.stdout(count === 0 ? "nothing was dropped\n" : `dropped ${count} records, ${fromSeq} to ${lastSeq}\n`);
  return EXIT.done;
}

function countUpTo(lastSeq: number, outbox: Inspection): number {
  let count = 0;
  for (const { seq } of outbox.entries("unacknowledged")) {
    if (seq > lastSeq) break;
    count++;
  }
  return count;
}

async function agrees(question: string): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw wrongUsage("drop deletes records and there is no terminal to ask on: --yes does it without asking");
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // Ctrl-C, Ctrl-D and a terminal that goes away say no as well.
  const answer = await Promise.race([terminal.question(question), once(terminal, "close")]).catch(() => "");
  terminal.close();
  return /^y(es)?$/i.test(String(answer).trim());
}

async function dropThere(path: string, ownerPid: number, toSeq: number): Promise<Dropped> {
  const answer = await askNodeOn(path, { do: "drop", to_seq: toSeq });
  if (!answer)
    throw new CliError(
      EXIT.failed,
      `process ${ownerPid} has the outbox open and does not answer on its local socket: stop it, then drop`,
    );
  const { count, from_seq: fromSeq } = answer.value as { count: number; from_seq?: number };
  return { count, ...(fromSeq !== undefined && { fromSeq }), toSeq };
}

/** A run of its own, as short as it is: it begins with `event/boot`, so that what the run before left is told. */
async function dropHere(settings: OutboxOptions, toSeq: number, version: string): Promise<Dropped> {
  const clock = linuxClock();
  const outbox = await openOutbox(settings, {
    files: nodeFiles(),
    clock,
    random: systemRandom,
    seriesOf,
    accountsIn,
  }).catch((error: unknown) => {
    if (!(error instanceof OutboxLockedError)) throw folderError(settings.path, error);
    throw new CliError(EXIT.failed, `${error.message} (a node has just been started)`);
  });
  try {
    const recorder = createRecorder(outbox, clock, () => false);
    recordBoot(recorder, outbox.opening, version);
    return await dropWaiting(outbox, recorder, silentLog, toSeq);
  } finally {
    await outbox.close();
  }
}
