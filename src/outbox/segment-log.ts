import { BLOCK_MAX_BYTES, weigh } from "./block.ts";
import type { FileLayer, OpenFile } from "./files/files.ts";
import { type DamagedFile, SMALL_FILES_BYTES, segmentPath } from "./folder.ts";
import type { Segment } from "./segment.ts";
import {
  encodeBlock,
  encodeGap,
  encodeHeader,
  encodeRecord,
  HEADER_BYTES,
  type LogEntry,
  storedBytes,
} from "./segment-format.ts";

export interface LogOptions {
  readonly folder: string;
  readonly maxSizeBytes: number;
  readonly segmentBytes: number;
  readonly maxRecordBytes: number;
  readonly stream: string;
  readonly run: number;
  /** Nothing in the folder survives a power cut: nothing is synced, and a file is zeros again before it is used again. */
  readonly inMemory?: boolean;
}

/** What a log starts from. */
export interface LogContents {
  /** Oldest generation first. */
  readonly segments: Segment[];
  readonly damaged: DamagedFile[];
  /** Records since the stream began, and their payload bytes. */
  readonly records: number;
  readonly bytes: number;
}

interface OpenSegment {
  readonly segment: Segment;
  readonly file: OpenFile;
  dirty: boolean;
}

const ZEROS = Buffer.alloc(64 * 1024);
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
  readonly #damaged: DamagedFile[];
  #records: number;
  #bytes: number;
  #active: OpenSegment | undefined;
  /** Left behind by the active one before they were synced. */
  #earlier: OpenSegment[] = [];
  #namesChanged = false;
  #generation: number;
  #number: number;

  constructor(files: FileLayer, options: LogOptions, contents: LogContents) {
    this.#files = files;
    this.#options = options;
    this.segments = contents.segments;
    this.#damaged = contents.damaged;
    this.#records = contents.records;
    this.#bytes = contents.bytes;
    this.#scratch = Buffer.alloc(storedBytes(Math.max(options.maxRecordBytes, BLOCK_MAX_BYTES)));
    this.#generation = Math.max(0, ...this.segments.map(({ header }) => header.generation));
    this.#number = Math.max(0, ...this.segments.map(({ number }) => number));
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
    return this.segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  get oversized(): boolean {
    return this.#totalBytes() > this.#options.maxSizeBytes;
  }

  /** Takes up writing where the newest segment ends, and syncs again what may not be on flash: numbers after `safeSeq`. */
  resume(safeSeq: number): void {
    for (const segment of this.segments) {
      const newest = segment === this.segments.at(-1);
      const dirty = segment.lastSeq > safeSeq;
      if (!newest && !dirty) continue;
      const open = { segment, file: this.#files.open(segment.path, "write"), dirty };
      if (newest) this.#active = open;
      else this.#earlier.push(open);
      this.#namesChanged ||= dirty;
    }
  }

  /** The largest entry that any segment has room for. */
  get largestEntryBytes(): number {
    return this.#options.segmentBytes - HEADER_BYTES;
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
    return this.segments.find((segment) => segment !== this.#active?.segment && segment.lastSeq <= ackedSeq);
  }

  /** Goes on in another segment, an old one before a new one. False: there is no room for one. */
  advance(firstSeq: number, ackedSeq: number): boolean {
    for (let old = this.reusable(ackedSeq); old !== undefined; old = this.reusable(ackedSeq)) {
      if (old.sizeBytes === this.#options.segmentBytes) {
        this.#reuse(old, firstSeq);
        return true;
      }
      this.remove(old);
    }
    while (this.#totalBytes() + this.#options.segmentBytes > this.#options.maxSizeBytes)
      if (!this.#removeDamaged()) return false;
    this.#create(firstSeq);
    return true;
  }

  /** Hands an entry to the kernel. It must fit. */
  write(entry: LogEntry): void {
    if (entry.kind === "record") this.writeRecord(entry.seq, entry.wallMs, entry.payload);
    else if (entry.kind === "block") {
      this.#put(encodeBlock(this.#scratch, this.#active!.segment.header, entry), entry.seq);
      const { records, payloadBytes } = weigh(entry);
      this.#records += records;
      this.#bytes += payloadBytes;
    } else this.#put(encodeGap(this.#scratch, this.#active!.segment.header, entry), entry.seq);
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
    if (this.#takeNamesChanged()) await this.#files.syncFolder(this.#options.folder);
  }

  syncNow(ackedSeq: number): void {
    const batch = this.#takeUnsynced(ackedSeq);
    try {
      for (const { file } of batch) file.syncNow();
    } finally {
      this.#closeEarlier(batch);
    }
    if (this.#takeNamesChanged()) this.#files.syncFolderNow(this.#options.folder);
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
    try {
      this.#files.remove(segment.path);
    } catch {
      this.#damaged.push({ path: segment.path, sizeBytes: segment.sizeBytes });
    }
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

  #reuse(old: Segment, firstSeq: number): void {
    const file = this.#files.open(old.path, "write");
    try {
      if (this.#options.inMemory) this.#fillWithZeros(file);
      this.#begin(old.path, old.number, firstSeq, file);
    } catch (error) {
      file.close();
      throw error;
    }
    this.#retire(old);
  }

  #create(firstSeq: number): void {
    const number = ++this.#number;
    const path = segmentPath(this.#options.folder, number);
    const file = this.#files.open(path, "create");
    try {
      this.#fillWithZeros(file);
      this.#begin(path, number, firstSeq, file);
    } catch (error) {
      file.close();
      this.#files.remove(path);
      throw error;
    }
    this.#namesChanged = true;
  }

  #fillWithZeros(file: OpenFile): void {
    const { segmentBytes } = this.#options;
    for (let at = 0; at < segmentBytes; at += ZEROS.length)
      file.write(ZEROS, Math.min(ZEROS.length, segmentBytes - at), at);
  }

  #begin(path: string, number: number, firstSeq: number, file: OpenFile): void {
    const { stream, run, segmentBytes } = this.#options;
    // Never used again, even where this fails: the header may have got to the disk all the same.
    const generation = ++this.#generation;
    const counts = { recordsBefore: this.#records, bytesBefore: this.#bytes };
    const { bytes, header } = encodeHeader({ run, generation, firstSeq, stream, ...counts });
    file.write(bytes, bytes.length, 0);
    this.abandon();
    const segment: Segment = {
      number,
      path,
      sizeBytes: segmentBytes,
      header,
      endOffset: HEADER_BYTES,
      lastSeq: firstSeq - 1,
      retired: false,
    };
    this.segments.push(segment);
    this.#active = { segment, file, dirty: this.#options.inMemory !== true };
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

  #totalBytes(): number {
    const damagedBytes = this.#damaged.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    return SMALL_FILES_BYTES + this.diskBytes + damagedBytes;
  }

  #removeDamaged(): boolean {
    const file = this.#damaged.at(-1);
    if (file === undefined) return false;
    this.#files.remove(file.path);
    this.#damaged.pop();
    return true;
  }

  #takeNamesChanged(): boolean {
    const changed = this.#namesChanged;
    this.#namesChanged = false;
    return changed;
  }
}
