import { strict as assert } from "node:assert";
import type { FileLayer, OpenFile } from "../files/files.ts";
import type { DamagedFile } from "../state/folder.ts";
import { BLOCK_MAX_BYTES, weigh } from "./block.ts";
import type { Draft } from "./draft.ts";
import type { Segment } from "./segment.ts";
import { SegmentFiles, type SegmentFilesOptions } from "./segment-files.ts";
import {
  encodeEntry,
  encodeHeader,
  encodeRecord,
  HEADER_BYTES,
  type LogEntry,
  storedBytes,
} from "./segment-format.ts";

export interface LogOptions extends SegmentFilesOptions {
  readonly maxRecordBytes: number;
  readonly stream: string;
  readonly run: number;
}

/** What a log starts from. */
export interface LogContents {
  /** In order of their numbers. */
  readonly segments: Segment[];
  /** Segments that tell of nothing any more. */
  readonly unused: Segment[];
  readonly damaged: DamagedFile[];
  /** Records since the stream began, and their payload bytes. */
  readonly records: number;
  readonly bytes: number;
}

/** A segment that is written and takes the place of others once it is on flash. */
export interface Replacement {
  sync(): Promise<void>;
  syncNow(): void;
  /** The files of those others may be used from now on. */
  putInPlace(): void;
  giveUp(): void;
}

interface OpenSegment {
  readonly segment: Segment;
  readonly file: OpenFile;
  dirty: boolean;
}

/** So full is a segment when it is time to look for the next one. */
const FILLING_SHARE = 3 / 4;
/** A record's number is stored as its distance from the segment's first in 32 bits. */
const MAX_DISTANCE = 2 ** 32;

/**
 * Writes the log: segments of one size, extended with zeros once and used again for ever, so that a sync inside one
 * changes no metadata of the file system. Decides where bytes go, not which records may be given up.
 */
export class SegmentLog {
  readonly segments: Segment[];
  readonly #files: FileLayer;
  readonly #options: LogOptions;
  readonly #scratch: Buffer;
  readonly #segmentFiles: SegmentFiles;
  #records: number;
  #bytes: number;
  #active: OpenSegment | undefined;
  /** Left behind by the active one before they were synced. */
  #earlier: OpenSegment[] = [];
  #namesChanged = false;
  #generation: number;

  constructor(files: FileLayer, options: LogOptions, contents: LogContents) {
    this.#files = files;
    this.#options = options;
    this.segments = contents.segments;
    const { segments, unused, damaged } = contents;
    this.#segmentFiles = new SegmentFiles(files, options, segments, unused, damaged);
    this.#records = contents.records;
    this.#bytes = contents.bytes;
    this.#scratch = Buffer.alloc(storedBytes(Math.max(options.maxRecordBytes, BLOCK_MAX_BYTES)));
    const generations = [...segments, ...unused].map(({ header }) => header.generation);
    this.#generation = Math.max(0, ...generations);
  }

  /** Records in the stream so far, and their payload bytes. */
  get records(): number {
    return this.#records;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The youngest number that the log tells of. */
  get lastSeq(): number {
    return this.segments.at(-1)?.lastSeq ?? 0;
  }

  get diskBytes(): number {
    return this.segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, this.#segmentFiles.unusedBytes);
  }

  /** How many segments there may be. */
  get capacity(): number {
    return this.#segmentFiles.capacity;
  }

  /** How many segments there is room for without giving up another. */
  get freeSegments(): number {
    return this.#segmentFiles.free(this.segments);
  }

  /** Whether another segment will be wanted soon. */
  get isFilling(): boolean {
    const { endOffset, sizeBytes } = this.#active?.segment ?? { endOffset: 1, sizeBytes: 1 };
    return endOffset >= sizeBytes * FILLING_SHARE;
  }

  get segmentBytes(): number {
    return this.#options.segmentBytes;
  }

  /** Whether the segment is the one that is written into. */
  isActive(segment: Segment): boolean {
    return segment === this.#active?.segment;
  }

  get oversized(): boolean {
    return this.#segmentFiles.isOversized(this.segments);
  }

  /** Gives back disk that no segment needs. */
  trim(): void {
    this.#segmentFiles.trim(this.segments);
  }

  /** Takes up writing where the newest segment ends, and syncs again what may not be on flash: numbers after `safeSeq`. */
  resume(safeSeq: number): void {
    for (const segment of this.segments) {
      const newest = segment === this.segments.at(-1) && segment.header.rewritten === undefined;
      const dirty = segment.lastSeq > safeSeq;
      if (!newest && !dirty) continue;
      const open = { segment, file: this.#files.open(segment.path, "write"), dirty };
      if (newest) this.#active = open;
      else this.#earlier.push(open);
      this.#namesChanged ||= dirty;
    }
  }

  /** The largest entry that can be written. */
  get largestEntryBytes(): number {
    return Math.min(this.#options.segmentBytes - HEADER_BYTES, this.#scratch.length);
  }

  /** Whether an entry of `bytes` with number `seq` has room in the active segment. */
  fits(bytes: number, seq: number): boolean {
    const segment = this.#active?.segment;
    return (
      segment !== undefined &&
      segment.endOffset + bytes <= segment.sizeBytes &&
      seq - segment.header.firstSeq < MAX_DISTANCE
    );
  }

  /** The segment that would be used again next: the oldest that holds nothing but acknowledged records. */
  reusable(ackedSeq: number): Segment | undefined {
    return this.segments.find((segment) => !this.isActive(segment) && segment.lastSeq <= ackedSeq);
  }

  /** How many segments there may be that hold what is not acknowledged, beside those that do. */
  freeSegmentsBeyond(ackedSeq: number): number {
    const reusable = this.segments.filter(
      (segment) => !this.isActive(segment) && segment.lastSeq <= ackedSeq,
    );
    return this.freeSegments + reusable.length;
  }

  /** Lets go of the segment that would be used again next. False: there is none. */
  reuse(ackedSeq: number): boolean {
    const old = this.reusable(ackedSeq);
    if (old !== undefined) this.#release(old);
    return old !== undefined;
  }

  /**
   * Lets go of a source that makes up for damage to what was written in its place: a segment free to write others anew into
   * is worth more, for without one the oldest goes with all its events. What it told of is corrupt then.
   */
  giveUpSource(): void {
    const source = this.segments.find(({ makesUp }) => makesUp);
    if (source) this.#release(source);
  }

  /** Goes on in another segment, an old one before a new one. False: there is no room for one. */
  advance(firstSeq: number, ackedSeq: number): boolean {
    while (!this.#segmentFiles.anyUnused && this.reuse(ackedSeq));
    const target = this.#segmentFiles.open(this.segments);
    if (target === undefined) return false;
    const counts = { recordsBefore: this.#records, bytesBefore: this.#bytes };
    try {
      const { bytes, header } = encodeHeader({ ...this.#newHeader(firstSeq), ...counts });
      target.file.write(bytes, bytes.length, 0);
      this.abandon();
      const segment = { ...target.place, header, endOffset: HEADER_BYTES, lastSeq: firstSeq - 1 };
      this.segments.push(segment);
      this.#active = { segment, file: target.file, dirty: this.#options.inMemory !== true };
    } catch (error) {
      this.#segmentFiles.giveBack(target);
      throw error;
    }
    this.#namesChanged ||= target.isNew;
    this.#segmentFiles.take(target);
    return true;
  }

  /**
   * Writes `draft`, which is to take the place of segments that follow each other. Needs a free segment. Throws where the
   * disk does, and nothing has changed.
   */
  prepare(sources: readonly Segment[], draft: Draft): Replacement {
    const { firstSeq, recordsBefore, bytesBefore } = sources[0]!.header;
    const target = this.#segmentFiles.open(this.segments);
    assert(target !== undefined, "no free segment to write others anew into");
    const rewritten = draft.describe(sources.length);
    const fields = { ...this.#newHeader(firstSeq), recordsBefore, bytesBefore, rewritten };
    const { bytes, header } = draft.encode(fields);
    const { endOffset, lastSeq } = rewritten;
    this.#segmentFiles.lend(target);
    this.#namesChanged ||= target.isNew;
    const replacement: Replacement = {
      sync: async () => {
        await target.file.sync();
        await this.#syncNames();
      },
      syncNow: () => {
        target.file.syncNow();
        this.#syncNamesNow();
      },
      putInPlace: () => {
        target.file.close();
        this.#segmentFiles.settle(target);
        const segment = { ...target.place, header, endOffset, lastSeq };
        this.segments.splice(this.segments.indexOf(sources[0]!), 0, segment);
        for (const source of sources) this.#release(source);
      },
      giveUp: () => {
        target.file.close();
        this.#segmentFiles.settle(target);
        // It may be whole on the disk, and must not stand in for its sources when those have gone on.
        this.#segmentFiles.remove(target.place);
      },
    };
    try {
      target.file.write(bytes, bytes.length, 0);
    } catch (error) {
      replacement.giveUp();
      throw error;
    }
    return replacement;
  }

  /** Hands an entry to the kernel. It must fit. */
  write(entry: LogEntry): void {
    this.#put(encodeEntry(this.#scratch, this.#active!.segment.header, entry), entry.seq);
    const { records, payloadBytes } = weigh(entry);
    this.#records += records;
    this.#bytes += payloadBytes;
  }

  /** The same for a record, without an object around it. */
  writeRecord(seq: number, wallMs: number, payload: Uint8Array): void {
    this.#put(encodeRecord(this.#scratch, this.#active!.segment.header, seq, wallMs, payload), seq);
    this.#records++;
    this.#bytes += payload.length;
  }

  /**
   * Resolves when everything written before the call is on flash. Up to `ackedSeq` nothing need be: a power cut must leave
   * that number, else older records that are missing behind younger ones would be taken for lost.
   */
  async sync(ackedSeq: number): Promise<void> {
    const batch = this.#takeUnsynced(ackedSeq);
    // All begin at once: a segment that is left meanwhile closes its file, which waits only for syncs under way.
    const results = await Promise.allSettled(batch.map(({ file }) => file.sync()));
    this.#closeEarlier(batch);
    for (const result of results) if (result.status === "rejected") throw result.reason;
    await this.#syncNames();
  }

  syncNow(ackedSeq: number): void {
    const batch = this.#takeUnsynced(ackedSeq);
    try {
      for (const { file } of batch) file.syncNow();
    } finally {
      this.#closeEarlier(batch);
    }
    this.#syncNamesNow();
  }

  /** Leaves the active segment: nothing more is written into it. */
  abandon(): void {
    if (this.#active === undefined) return;
    if (this.#active.dirty) this.#earlier.push(this.#active);
    else this.#active.file.close();
    this.#active = undefined;
  }

  /** Forgets every entry after `seq`, `entries`: their bytes cannot be trusted to be on flash. */
  cutAfter(seq: number, entries: readonly LogEntry[]): void {
    this.close();
    for (const { kind, payload } of entries) {
      if (kind !== "record") continue;
      this.#records--;
      this.#bytes -= payload.length;
    }
    for (const segment of [...this.segments]) if (segment.header.firstSeq > seq) this.remove(segment);
    const last = this.segments.at(-1);
    if (last !== undefined) last.lastSeq = Math.min(last.lastSeq, seq);
  }

  /** Removes a segment's file. One that cannot be removed goes on counting as used room. */
  remove(segment: Segment): void {
    if (this.#active?.segment === segment) this.abandon();
    this.#retire(segment);
    this.#segmentFiles.remove(segment);
  }

  close(): void {
    this.#active?.file.close();
    this.#active = undefined;
    const earlier = this.#earlier;
    this.#earlier = [];
    this.#closeEarlier(earlier);
  }

  #put(storedBytes: number, seq: number): void {
    const active = this.#active!;
    active.dirty = this.#options.inMemory !== true;
    active.file.write(this.#scratch, storedBytes, active.segment.endOffset);
    active.segment.endOffset += storedBytes;
    active.segment.lastSeq = seq;
  }

  #newHeader(firstSeq: number) {
    const { stream, run } = this.#options;
    // A generation is never used again, even where this fails: the header may have got to the disk all the same.
    return { run, generation: ++this.#generation, firstSeq, stream };
  }

  #release(segment: Segment): void {
    this.#retire(segment);
    this.#segmentFiles.release(segment);
  }

  #retire(segment: Segment): void {
    segment.retired = true;
    this.segments.splice(this.segments.indexOf(segment), 1);
    const left = this.#earlier.filter((open) => open.segment === segment);
    this.#earlier = this.#earlier.filter((open) => !left.includes(open));
    this.#closeEarlier(left);
  }

  #takeUnsynced(ackedSeq: number): OpenSegment[] {
    const batch = this.#earlier.filter(({ segment }) => segment.lastSeq > ackedSeq);
    const settled = this.#earlier.filter((open) => !batch.includes(open));
    this.#earlier = [];
    this.#closeEarlier(settled);
    if (!this.#active?.dirty) return batch;
    this.#active.dirty = false;
    return [...batch, this.#active];
  }

  #closeEarlier(batch: readonly OpenSegment[]): void {
    for (const open of batch) if (open !== this.#active && !this.#earlier.includes(open)) open.file.close();
  }

  async #syncNames(): Promise<void> {
    if (!this.#namesChanged) return;
    this.#namesChanged = false;
    try {
      await this.#files.syncFolder(this.#options.folder);
    } catch (error) {
      this.#namesChanged = true;
      throw error;
    }
  }

  #syncNamesNow(): void {
    if (this.#namesChanged) this.#files.syncFolderNow(this.#options.folder);
    this.#namesChanged = false;
  }
}
