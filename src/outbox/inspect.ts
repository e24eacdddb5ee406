import { LeftOut } from "./delivery/left-out.ts";
import { type FileLayer, isAbsent } from "./files/files.ts";
import type { Entry, Stored } from "./outbox.ts";
import { Head } from "./segments/head.ts";
import { readRange } from "./segments/history.ts";
import { type StoredIntake, storedIntake } from "./segments/intake-rate.ts";
import { findEnd } from "./segments/log-end.ts";
import { knownTimeMs, type LogEntry } from "./segments/segment-format.ts";
import { givenUpBeyond, storedIn, waitingBeyond, withoutAhead } from "./segments/stored.ts";
import { intact, type Survey, survey } from "./segments/survey.ts";
import { Ahead } from "./state/ahead.ts";
import { LOCK } from "./state/folder.ts";
import { lockOwner } from "./state/lock.ts";
import { newer } from "./state/progress.ts";
import { readTail, tailFolder } from "./young/tail.ts";

/** A record on disk, as people look at it. */
export interface StoredEntry extends Entry {
  /** Wall time of the append; 0 where the clock was not set. */
  readonly wallMs: number;
  /** The broker has it; its place was not needed for another yet. */
  readonly acknowledged: boolean;
}

/** An outbox seen from outside, as it was at one moment. */
export interface Inspection {
  /** Absent: nothing was ever stored here. */
  readonly stream: string | undefined;
  readonly run: number;
  /** The process that has the outbox open. */
  readonly ownerPid: number | undefined;
  /** Records not acknowledged. What a node holds in its own memory while its disk fails is not among them. */
  readonly depth: number;
  readonly depthBytes: number;
  readonly oldestWallMs: number | undefined;
  /** Bytes of disk the segments occupy. */
  readonly diskBytes: number;
  /** What the segments hold, which says how much room a record takes. */
  readonly stored: Stored;
  /** Records given up among those that wait: readings that were thinned out, or made room for events. */
  readonly givenUp: number;
  readonly ackedSeq: number;
  /** The youngest number that the disk or the tail knows of. */
  readonly lastSeq: number;
  /** How fast records came of late, where the disk tells. */
  readonly intake: StoredIntake | undefined;
  /** Files that cannot be read; the next start will set them aside. */
  readonly damaged: readonly string[];
  /** The records not acknowledged, or all that are still there, from number `fromSeq` on, oldest first. */
  entries(which: "unacknowledged" | "all", fromSeq?: number): IterableIterator<StoredEntry>;
}

/**
 * Looks into the outbox of a folder without changing anything, whether a node runs on it or not: takes no lock, writes
 * nothing. Beside a running node records may vanish while they are looked at; none is ever shown wrongly.
 *
 * Throws the file layer's error (`ENOENT`) where there is no such folder.
 */
export function inspectOutbox(path: string, files: FileLayer, tail?: string): Inspection {
  for (let left = LOOKS_MAX; ; left--) {
    const before = survey(files, path);
    const inspection = look(path, files, tail, before);
    if (left === 1 || generations(survey(files, path)) === generations(before)) return inspection;
  }
}

/** A node that begins segments faster than they are counted is not waited for. */
const LOOKS_MAX = 5;

/** Which segments there are: a node that begins one, or writes some anew, changes that. */
function generations({ segments, unused }: Survey): string {
  return [...segments, ...unused].map(({ header }) => header.generation).join();
}

function look(path: string, files: FileLayer, tail: string | undefined, before: Survey): Inspection {
  // First the tail: what moves to the disk meanwhile is then seen twice and not missed.
  const inMemory = lookIntoTail(files, tail, before);
  const found = survey(files, path);
  const newest = found.segments.at(-1);
  const totals = newest ? findEnd(files, newest) : { records: 0, bytes: 0 };
  const state = intact(found.state);
  const progress = newer(inMemory?.progress, intact(found.progress));
  const ackedSeq = Math.max(state?.ackedSeq ?? 0, progress?.ackedSeq ?? 0);
  const ahead = new Ahead(progress?.ahead ?? []);
  ahead.forget(ackedSeq);
  const isAcknowledged = (seq: number) => seq <= ackedSeq || ahead.endAt(seq) !== undefined;
  const lastSeqOnDisk = newest?.lastSeq ?? 0;
  const young = (inMemory?.records ?? []).filter(({ seq }) => seq > lastSeqOnDisk);
  const waiting = young.filter(({ seq }) => seq > ackedSeq);
  const head = new Head(files, found.segments);
  const position = head.locate(ackedSeq);
  const onDisk = waitingBeyond(position, found.segments, totals);
  head.close();
  const aheadLeftOut = new LeftOut(files).count(found.segments, ahead);
  const left = withoutAhead(
    {
      records: onDisk.records + waiting.length,
      payloadBytes: onDisk.payloadBytes + waiting.reduce((sum, { payload }) => sum + payload.length, 0),
    },
    ahead.size - aheadLeftOut,
  );
  return {
    stream: found.stream,
    run: Math.max(state?.run ?? 0, progress?.run ?? 0),
    ownerPid: ownerOf(files, path),
    depth: left.records,
    depthBytes: left.payloadBytes,
    oldestWallMs: knownTimeMs(position.oldest ?? waiting[0]),
    diskBytes: [...found.segments, ...found.unused].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    stored: storedIn(found.segments, totals),
    givenUp: givenUpBeyond(position, ackedSeq, found.segments, totals) - aheadLeftOut,
    ackedSeq,
    lastSeq: Math.max(young.at(-1)?.seq ?? lastSeqOnDisk, ackedSeq),
    intake: storedIntake(files, found.segments),
    damaged: found.damaged,
    *entries(which, fromSeq = 1) {
      const firstSeq = which === "all" ? fromSeq : Math.max(fromSeq, ackedSeq + 1);
      const show = function* ({ seq, wallMs, payload }: LogEntry) {
        const acknowledged = isAcknowledged(seq);
        if (which === "all" || !acknowledged) yield { seq, wallMs, record: payload, acknowledged };
      };
      const range = { fromSeq: firstSeq, toSeq: Infinity };
      for (const entry of readRange(files, found.segments, range)) yield* show(entry);
      for (const entry of young) if (entry.seq >= firstSeq) yield* show(entry);
    },
  };
}

/** What is in the tail of the run that has the outbox now, or had it last and did not end in order. */
function lookIntoTail(files: FileLayer, parent: string | undefined, { state, stream }: Survey) {
  if (parent === undefined || stream === undefined || !intact(state)?.tail || intact(state)?.clean)
    return undefined;
  const { records, progress } = readTail(files, tailFolder(parent, stream), stream);
  return { records, progress: intact(progress) };
}

function ownerOf(files: FileLayer, path: string): number | undefined {
  try {
    return lockOwner(files, `${path}/${LOCK}`);
  } catch (error) {
    if (!isAbsent(error)) throw error;
    return undefined;
  }
}
