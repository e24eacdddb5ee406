import type { Clock } from "../device/clock.ts";
import type { Random } from "../device/random.ts";
import { Delivery } from "./delivery/delivery.ts";
import { Losses } from "./delivery/losses.ts";
import { DurableOutbox } from "./durable-outbox.ts";
import type { FileLayer } from "./files/files.ts";
import { Intake } from "./intake/intake.ts";
import type { WhenFull } from "./intake/log-writer.ts";
import { type SeriesOf, Thinning } from "./intake/thinning.ts";
import { Worker } from "./intake/worker.ts";
import type { Drop, Outbox } from "./outbox.ts";
import { decideStart, type Start } from "./recovery.ts";
import { sparseBytesMax } from "./segments/block.ts";
import { findEnd } from "./segments/log-end.ts";
import { secureRewritten } from "./segments/rewritten.ts";
import type { Segment } from "./segments/segment.ts";
import {
  GAP_BYTES,
  HEADER_BYTES,
  RECORD_HEADER_BYTES,
  REWRITTEN_HEADER_BYTES,
  storedBytes,
} from "./segments/segment-format.ts";
import { SegmentLog } from "./segments/segment-log.ts";
import { intact, type Survey, survey } from "./segments/survey.ts";
import { LOCK, PROGRESS, SMALL_FILES_BYTES, STATE, segmentPath, setAside } from "./state/folder.ts";
import { takeLock } from "./state/lock.ts";
import { newer, ProgressFile, type ProgressTail } from "./state/progress.ts";
import { RESERVED_BLOCK, StateFile } from "./state/state.ts";
import { type FoundTail, findTail, Tail } from "./young/tail.ts";
import { Waiting } from "./young/waiting.ts";

export interface OutboxOptions {
  /** The folder. Files of others in it are left alone. */
  readonly path: string;
  /** All that the outbox's files may ever take together. */
  readonly maxSizeBytes: number;
  /** Older records are dropped when their turn comes. */
  readonly maxAgeMs: number;
  readonly whenFull: WhenFull;
  /** Folder on a tmpfs for records younger than that; absent: they go to the disk at once. */
  readonly tail?: string | undefined;
  /** A record not acknowledged for this long is on flash; 0: on flash before `append` returns. */
  readonly syncAfterMs: number;
  /** Default: 64 KiB. */
  readonly maxRecordBytes?: number;
  /** Default: 1 MiB, or less where sixteen would not fit, but room for two of the longest records. */
  readonly segmentBytes?: number;
  /** Default: 128 KiB. So much is given up in one go where a backlog has grown too old: milliseconds on a small board. */
  readonly pieceBytes?: number;
}

export interface OutboxDependencies {
  readonly files: FileLayer;
  readonly clock: Clock;
  readonly random: Random;
  /** Tells events from readings, and readings of one sensor from another's. Absent: all records are alike, and may go. */
  readonly seriesOf?: SeriesOf;
  /**
   * What a record tells of losses. Asked of each one that is given up, except readings of a series and reports that the
   * outbox knows to be such: a loss may be forced, the word of it may not be lost with it (see {@link Outbox.takeDrops}).
   */
  readonly accountsIn?: (record: Uint8Array) => readonly Drop[];
}

const DEFAULT_RECORD_BYTES = 64 * 1024;
const DEFAULT_SEGMENT_BYTES = 1024 * 1024;
const DEFAULT_PIECE_BYTES = 128 * 1024;
const SEGMENTS_MIN = 4;
/** So many, where records are short enough for it, let a full log give way piece by piece. */
const SEGMENTS_WANTED = 16;
const BLOCK_BYTES = 4096;
/** Records kept in memory while the disk refuses them. */
const WAITING_MAX_BYTES = 4 * 1024 * 1024;

/** The least `maxSizeBytes` for records of up to `maxRecordBytes`. */
export function smallestSizeBytes(maxRecordBytes = DEFAULT_RECORD_BYTES): number {
  return SMALL_FILES_BYTES + SEGMENTS_MIN * blocks(leastSegmentBytes(maxRecordBytes), Math.ceil);
}

/**
 * What readings may take: whole segments, of which one stays free. `availableBytes`: what the disk has for segments,
 * those included that are there.
 */
export function roomBytes(options: OutboxOptions, availableBytes = Number.POSITIVE_INFINITY): number {
  const { segmentBytes } = checkSizes(options);
  const bytes = Math.min(options.maxSizeBytes - SMALL_FILES_BYTES, availableBytes);
  return Math.max(0, Math.floor(bytes / segmentBytes) - 1) * segmentBytes;
}

/**
 * Opens the outbox in a folder, which is made where absent, and takes it for this process alone. Whatever the last run
 * left behind, this needs no human: what is intact is used, what is not is set aside, what is lost is told.
 *
 * Throws an `OutboxLockedError` where another process has it open, a `RangeError` where sizes do not go together, and
 * the file layer's error where the disk cannot be written: a number may be given only once it is reserved on flash, and
 * this run could leave no trace of those that it gave, so that the next one would give them again.
 */
export async function openOutbox(options: OutboxOptions, dependencies: OutboxDependencies): Promise<Outbox> {
  const { files, random } = dependencies;
  const sizes = checkSizes(options);
  files.makeFolder(options.path);
  const held: (() => void)[] = [takeLock(files, options.path, `${options.path}/${LOCK}`, random)];
  const release = () => {
    for (const giveBack of held.toReversed()) giveBack();
  };
  try {
    return assemble({ ...options, ...sizes }, dependencies, held, release);
  } catch (error) {
    release();
    throw error;
  }
}

type Sizes = Required<Pick<OutboxOptions, "maxRecordBytes" | "segmentBytes">>;

function checkSizes({ maxSizeBytes, ...options }: OutboxOptions): Sizes {
  const maxRecordBytes = options.maxRecordBytes ?? DEFAULT_RECORD_BYTES;
  const fittingBytes = blocks((maxSizeBytes - SMALL_FILES_BYTES) / SEGMENTS_MIN, Math.floor);
  const wantedBytes = Math.max(
    blocks((maxSizeBytes - SMALL_FILES_BYTES) / SEGMENTS_WANTED, Math.floor),
    2 * blocks(leastSegmentBytes(maxRecordBytes), Math.ceil),
  );
  const segmentBytes = options.segmentBytes ?? Math.min(DEFAULT_SEGMENT_BYTES, fittingBytes, wantedBytes);
  if (segmentBytes > fittingBytes || segmentBytes < leastSegmentBytes(maxRecordBytes)) {
    const leastBytes = smallestSizeBytes(maxRecordBytes);
    throw new RangeError(
      `an outbox of ${maxSizeBytes} bytes is too small: at least ${leastBytes} are needed`,
    );
  }
  return { maxRecordBytes, segmentBytes };
}

function leastSegmentBytes(maxRecordBytes: number): number {
  return Math.max(
    HEADER_BYTES + GAP_BYTES + storedBytes(maxRecordBytes),
    REWRITTEN_HEADER_BYTES + RECORD_HEADER_BYTES + sparseBytesMax(maxRecordBytes),
  );
}

function blocks(bytes: number, round: (count: number) => number): number {
  return round(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}

function assemble(
  options: OutboxOptions & Sizes,
  { files, clock, random, seriesOf, accountsIn = () => [] }: OutboxDependencies,
  held: (() => void)[],
  release: () => void,
): Outbox {
  const found = survey(files, options.path);
  const newest = found.segments.at(-1);
  const totals = newest ? findEnd(files, newest) : { records: 0, bytes: 0 };
  const lastState = intact(found.state);
  const freshStream = newStream(random);
  const foundTail = findTail(files, options.tail, found.stream ?? freshStream, lastState, clock.bootId);
  held.push(() => foundTail.use?.progress.close());
  const start = decideStart(remainsOf(found, foundTail), clock.bootId, freshStream);
  for (const number of found.unfinished) files.remove(segmentPath(options.path, number));
  const damaged = setAside(files, options.path, found.damaged);

  const { stream, run } = start.opening;
  const tail = openTail(files, options, foundTail, start);
  held.push(() => tail?.close());
  // Also where this run cannot use it: what is left in it is needed until it is on flash.
  const isInMemory = tail !== undefined || (foundTail.remains?.records.length ?? 0) > 0;
  const accounts = lastState?.accounts ?? [];
  const state = openState(options.path, files, found, start, clock.bootId, isInMemory, accounts);
  held.push(() => state.close());
  const log = new SegmentLog(
    files,
    { ...options, folder: options.path, stream, run },
    { segments: found.segments, unused: found.unused, damaged, ...totals },
  );
  held.push(() => log.close());
  const progress = openProgress(
    options.path,
    files,
    found,
    start,
    tail &&
      foundTail.use && {
        file: foundTail.use.progress,
        lastSeqOnFlash: () => log.lastSeq,
      },
  );
  held.push(() => progress.close());
  const losses = new Losses(
    accountsIn,
    start.drops,
    toldByLastRun(start, Math.max(log.lastSeq, foundTail.remains?.lastSeq ?? 0)),
    accounts,
  );
  const isEvent = (record: Uint8Array) => seriesOf !== undefined && seriesOf(record) === undefined;
  const waiting = new Waiting(WAITING_MAX_BYTES, start.waiting, isEvent);
  const delivery = new Delivery(
    { files, clock, log, tail, waiting, losses, progress },
    { pieceBytes: DEFAULT_PIECE_BYTES, ...options },
    start,
  );
  held.push(() => delivery.forgetPositions());
  secureRewritten(files, log.segments);
  log.trim();
  while (log.oversized && log.segments.length > 0) {
    const [oldest] = log.segments;
    delivery.discard(oldest!);
    state.writeNow({ accounts: losses.accounts });
    log.remove(oldest!);
  }
  const syncedSeq = Math.max(start.syncedSeq, rewrittenSeq(log.segments));
  log.resume(Math.max(syncedSeq, state.durable.ackedSeq));
  delivery.save();
  files.syncFolderNow(options.path);
  const skippedFromSeq = start.opening.skipped?.fromSeq ?? 0;
  const worker = new Worker(clock);
  const gradually = options.whenFull === "thin";
  const thinning =
    seriesOf || gradually
      ? new Thinning({ files, clock, log, delivery, losses }, seriesOf ?? (() => ""), gradually)
      : undefined;
  held.push(() => thinning?.abandon());
  const intake = new Intake(
    options,
    {
      files,
      clock,
      log,
      tail,
      state,
      progress,
      waiting,
      losses,
      delivery,
      worker,
      thinning,
      isEvent,
    },
    { nextSeq: start.nextSeq, syncedSeq, skippedFromSeq },
  );
  return new DurableOutbox({
    opening: start.opening,
    clock,
    log,
    progress,
    waiting,
    losses,
    delivery,
    intake,
    worker,
    tailFault: () => foundTail.fault ?? tail?.fault,
    maxRecordBytes: options.maxRecordBytes,
    release,
  });
}

/** What was written anew is on flash, and so is all that is older. */
function rewrittenSeq(segments: readonly Segment[]): number {
  return segments.reduce((seq, { header }) => Math.max(seq, header.rewritten?.lastSeq ?? 0), 0);
}

/** Where every append is synced, a tail would only be in the way. */
function openTail(
  files: FileLayer,
  options: OutboxOptions & Sizes,
  { folder, use }: FoundTail,
  { opening: { stream, run } }: Start,
): Tail | undefined {
  if (use === undefined || options.syncAfterMs === 0) return undefined;
  return new Tail(files, { ...options, folder, stream, run }, use.segments);
}

function remainsOf(found: Survey, { remains }: FoundTail) {
  const newest = found.segments.at(-1);
  const state = intact(found.state);
  // A run that ends in order leaves no segment unfinished.
  const emptied = state?.clean === true && found.unfinished.length > 0;
  return {
    state,
    progress: newer(remains?.whole ? remains.progress : undefined, intact(found.progress)),
    tail: remains,
    stream: found.stream,
    lastRunOfSegments: newest?.header.run ?? 0,
    firstSeq: found.segments[0]?.header.firstSeq ?? 1,
    lastSeq: newest?.lastSeq ?? 0,
    damaged: found.damaged.length > 0 || emptied,
  };
}

function newStream(random: Random): string {
  return Math.floor(random() * 2 ** 32)
    .toString(16)
    .padStart(8, "0");
}

function openState(
  folder: string,
  files: FileLayer,
  found: Survey,
  start: Start,
  bootId: string,
  tail: boolean,
  accounts: readonly Drop[],
): StateFile {
  const { stream, run, skipped } = start.opening;
  return new StateFile(files, `${folder}/${STATE}`, found.state, {
    stream,
    run,
    bootId,
    clean: false,
    memoryOnly: false,
    tail,
    nextSeq: start.nextSeq,
    reservedSeq: start.nextSeq - 1 + RESERVED_BLOCK,
    ackedSeq: settledSeq(start),
    skippedFromSeq: skipped?.fromSeq ?? 0,
    accounts,
  });
}

/** A killed run may have reported losses in records that are not on flash. */
function toldByLastRun({ ackedSeq, securedSeq }: Start, lastSeq: number) {
  return securedSeq < ackedSeq ? [{ fromSeq: securedSeq + 1, toSeq: ackedSeq, reportSeq: lastSeq }] : [];
}

/** Acknowledged up to here for certain, and nothing of it is yet to be told. */
function settledSeq({ securedSeq, drops }: Start): number {
  return Math.min(securedSeq, ...drops.map(({ fromSeq }) => fromSeq - 1));
}

function openProgress(
  folder: string,
  files: FileLayer,
  found: Survey,
  start: Start,
  tail: ProgressTail | undefined,
): ProgressFile {
  const lost = start.waiting.filter(({ kind }) => kind === "full");
  return new ProgressFile(
    files,
    `${folder}/${PROGRESS}`,
    found.progress,
    {
      stream: start.opening.stream,
      run: start.opening.run,
      unsecured: 0,
      ackedSeq: settledSeq(start),
      syncedSeq: start.syncedSeq,
      lostFromSeq: lost[0]?.fromSeq ?? 0,
      lostToSeq: lost.at(-1)?.seq ?? 0,
      ahead: start.ahead,
    },
    tail,
  );
}
