import { Ahead } from "./ahead.ts";
import { type FileLayer, isAbsent } from "./files/files.ts";
import { LOCK } from "./folder.ts";
import { Head } from "./head.ts";
import { type StoredIntake, storedIntake } from "./intake-rate.ts";
import { lockOwner } from "./lock.ts";
import { findEnd } from "./log-end.ts";
import { LogReader } from "./log-reader.ts";
import type { Entry } from "./outbox.ts";
import { knownTimeMs } from "./segment-format.ts";
import { intact, survey } from "./survey.ts";

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
  /** Records not acknowledged. What a node holds in memory while its disk fails is not among them. */
  readonly depth: number;
  readonly depthBytes: number;
  readonly oldestWallMs: number | undefined;
  /** Bytes of disk the segments occupy. */
  readonly diskBytes: number;
  readonly ackedSeq: number;
  /** The youngest number on disk. */
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
export function inspectOutbox(path: string, files: FileLayer): Inspection {
  const found = survey(files, path);
  const newest = found.segments.at(-1);
  const totals = newest ? findEnd(files, newest) : { records: 0, bytes: 0 };
  const state = intact(found.state);
  const progress = intact(found.progress);
  const ackedSeq = Math.max(state?.ackedSeq ?? 0, progress?.ackedSeq ?? 0);
  const ahead = new Ahead(progress?.ahead ?? []);
  ahead.forget(ackedSeq);
  const isAcknowledged = (seq: number) => seq <= ackedSeq || ahead.endAt(seq) !== undefined;
  const head = new Head(files, found.segments);
  const { records, bytes, oldest } = head.locate(ackedSeq);
  head.close();
  return {
    stream: found.stream,
    run: Math.max(state?.run ?? 0, progress?.run ?? 0),
    ownerPid: ownerOf(files, path),
    depth: Math.max(0, totals.records - records - ahead.numbers),
    depthBytes: totals.bytes - bytes,
    oldestWallMs: knownTimeMs(oldest),
    diskBytes: found.segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    ackedSeq,
    lastSeq: newest?.lastSeq ?? 0,
    intake: storedIntake(files, found.segments),
    damaged: found.damaged,
    *entries(which, fromSeq = 1) {
      const reader = new LogReader(files, found.segments, () => {});
      try {
        reader.seek(which === "all" ? fromSeq : Math.max(fromSeq, ackedSeq + 1));
        for (let entry = reader.next(); entry !== undefined; entry = reader.next()) {
          const { seq, wallMs, payload } = entry;
          const acknowledged = isAcknowledged(seq);
          if (which === "all" || !acknowledged) yield { seq, wallMs, record: payload, acknowledged };
        }
      } finally {
        reader.close();
      }
    },
  };
}

function ownerOf(files: FileLayer, path: string): number | undefined {
  try {
    return lockOwner(files, `${path}/${LOCK}`);
  } catch (error) {
    if (!isAbsent(error)) throw error;
    return undefined;
  }
}
