import { type FileLayer, isAbsent, isFileError, isMediumError } from "../files/files.ts";
import { readRange } from "../segments/history.ts";
import { findEnd } from "../segments/log-end.ts";
import type { Segment } from "../segments/segment.ts";
import { HEADER_BYTES, type LogEntry, storedBytes } from "../segments/segment-format.ts";
import { SegmentLog } from "../segments/segment-log.ts";
import { intact, survey } from "../segments/survey.ts";
import { PROGRESS, SMALL_FILES_BYTES, segmentPath } from "../state/folder.ts";
import type { NumberRange } from "../state/number-set.ts";
import { type Progress, progressCodec } from "../state/progress.ts";
import { type SlotContent, SlotWriter } from "../state/slots.ts";
import type { State } from "../state/state.ts";

const SEGMENTS = 4;
const SEGMENT_BYTES = 256 * 1024;
/** Pause between attempts while the folder refuses writes. */
const RETRY_MS = 1000;

/** Where the tail of a stream lies below the folder that is configured. Another stream's is never looked at. */
export function tailFolder(parent: string, stream: string): string {
  return `${parent}/outbox-${stream}`;
}

/** What a tail holds when nobody writes to it. */
export interface TailContents {
  readonly segments: Segment[];
  readonly progress: SlotContent<Progress>;
  /** In order of their numbers, acknowledged ones among them. */
  readonly records: readonly LogEntry[];
  readonly lastSeq: number;
  /** Files that hold nothing of use. */
  readonly useless: readonly string[];
  /** Something was here that cannot be read: how far numbers went is not known. */
  readonly damaged: boolean;
}

const nothing = (): TailContents => ({
  segments: [],
  progress: { found: "absent" },
  records: [],
  lastSeq: 0,
  useless: [],
  damaged: true,
});

/** Reads a tail without changing anything. */
export function readTail(files: FileLayer, folder: string, stream: string): TailContents {
  try {
    const { segments, progress, damaged, unfinished } = survey(files, folder, stream);
    const newest = segments.at(-1);
    if (newest) findEnd(files, newest);
    const records = [...readRange(files, segments, { fromSeq: 1, toSeq: Infinity })];
    return {
      segments,
      progress,
      records,
      lastSeq: newest?.lastSeq ?? 0,
      useless: [
        ...damaged.map((name) => `${folder}/${name}`),
        ...unfinished.map((n) => segmentPath(folder, n)),
      ],
      damaged:
        damaged.length > 0 ||
        intact(progress) === undefined ||
        (newest !== undefined && !endsClean(files, newest)),
    };
  } catch (error) {
    if (isAbsent(error)) return nothing();
    throw error;
  }
}

/** Behind the last entry there is nothing but zeros: what else is there was an entry. */
function endsClean(files: FileLayer, { path, endOffset, sizeBytes }: Segment): boolean {
  const file = files.open(path, "read");
  try {
    const rest = Buffer.alloc(sizeBytes - endOffset);
    file.read(rest, endOffset);
    return rest.every((byte) => byte === 0);
  } finally {
    file.close();
  }
}

/** What a run that was killed left in its tail. */
export interface TailRemains {
  /** In order of their numbers. */
  readonly records: readonly LogEntry[];
  readonly lastSeq: number;
  readonly progress: Progress | undefined;
  /** Nothing of it is missing, as far as can be seen. */
  readonly whole: boolean;
}

/** A tail as the start finds it. */
export interface FoundTail {
  readonly folder: string;
  /** Absent: none is configured, or it cannot be used. */
  readonly use?: { readonly segments: Segment[]; readonly progress: SlotWriter<Progress> } | undefined;
  /** Why one that is configured is not used. */
  readonly fault?: string | undefined;
  /** Of the last run, where it was killed and had kept records in memory. */
  readonly remains?: TailRemains | undefined;
}

/**
 * Looks for what the last run left in memory, and makes the tail ready for this one. Without a tail a node wears its
 * flash, and works: only where records of the last run are there and the system refuses to show them does this throw the
 * file layer's error, for a later start may get them.
 */
export function findTail(
  files: FileLayer,
  parent: string | undefined,
  stream: string,
  state: State | undefined,
  bootId: string,
): FoundTail {
  const isAwaited = state?.tail === true && !state.clean && state.bootId === bootId;
  const folder = tailFolder(parent ?? "", stream);
  const left = isAwaited && parent !== undefined ? readAwaited(files, folder, stream) : nothing();
  const remains = isAwaited ? { ...left, whole: !left.damaged, progress: intact(left.progress) } : undefined;
  if (parent === undefined) return { folder, remains };
  try {
    files.makeFolder(parent);
    if (!files.isInMemory(parent)) return { folder, fault: `${parent} is not on a tmpfs`, remains };
    files.makeFolder(folder);
    const useless = isAwaited ? left.useless : files.list(folder).map((name) => `${folder}/${name}`);
    for (const path of useless) files.remove(path);
    const progress = new SlotWriter(files, `${folder}/${PROGRESS}`, progressCodec, left.progress);
    return { folder, use: { segments: left.segments, progress }, remains };
  } catch (error) {
    if (!isFileError(error)) throw error;
    return { folder, fault: error.message, remains };
  }
}

function readAwaited(files: FileLayer, folder: string, stream: string): TailContents {
  try {
    return readTail(files, folder, stream);
  } catch (error) {
    if (!isMediumError(error)) throw error;
    return nothing();
  }
}

export interface TailOptions {
  readonly folder: string;
  readonly stream: string;
  readonly run: number;
  readonly maxRecordBytes: number;
  /** Of the log's segments: the tail's are no larger. */
  readonly segmentBytes: number;
}

/**
 * The first home of each record where the node has a tmpfs: a killed process leaves it behind just as a disk would, and
 * flash is not touched. It is a journal and nothing more: records are read from it by the start after a kill, and for whoever
 * wants some again.
 *
 * A record is needed here until it is acknowledged, on flash for certain, or given up. Nothing is ever removed: a start passes
 * over what the log has, or the acknowledged number covers, so that a kill between writing to flash and using a file
 * again here neither doubles a record nor loses it. Where all files are full of records still needed, or the tmpfs is
 * full, records go to flash at once.
 */
export class Tail {
  readonly #files: FileLayer;
  readonly #folder: string;
  readonly #log: SegmentLog;
  #fault: string | undefined;
  #retryAtMs = 0;

  constructor(files: FileLayer, options: TailOptions, segments: Segment[]) {
    const leastBytes = HEADER_BYTES + storedBytes(options.maxRecordBytes);
    const segmentBytes = Math.min(options.segmentBytes, Math.max(SEGMENT_BYTES, leastBytes));
    const maxSizeBytes = SMALL_FILES_BYTES + SEGMENTS * segmentBytes;
    this.#files = files;
    this.#folder = options.folder;
    this.#log = new SegmentLog(
      files,
      { ...options, segmentBytes, maxSizeBytes, inMemory: true },
      { segments, unused: [], damaged: [], records: 0, bytes: 0 },
    );
  }

  /** Why records go to flash at once. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** Takes a record in. False: there is no room. Records up to `safeSeq` need no place here any more. */
  put(seq: number, wallMs: number, record: Uint8Array, safeSeq: number, nowMs: number): boolean {
    if (this.#fault !== undefined && nowMs < this.#retryAtMs) return false;
    try {
      if (!this.#log.fits(storedBytes(record.length), seq) && !this.#log.advance(seq, safeSeq)) return false;
      this.#log.writeRecord(seq, wallMs, record);
    } catch (error) {
      if (!isFileError(error)) throw error;
      this.#fault = error.message;
      this.#retryAtMs = nowMs + RETRY_MS;
      return false;
    }
    this.#fault = undefined;
    return true;
  }

  /** Records that are still here, acknowledged ones among them. */
  read(range: NumberRange): IterableIterator<LogEntry> {
    return readRange(this.#files, this.#log.segments, range);
  }

  /** Nothing in it is needed any more. */
  clear(): void {
    for (const segment of [...this.#log.segments]) this.#log.remove(segment);
    try {
      this.#files.remove(`${this.#folder}/${PROGRESS}`);
    } catch (error) {
      if (!isFileError(error)) throw error;
    }
  }

  close(): void {
    this.#log.close();
  }
}
