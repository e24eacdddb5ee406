import type { FileLayer, OpenFile } from "../files/files.ts";
import { type DamagedFile, SMALL_FILES_BYTES, segmentPath } from "../state/folder.ts";
import type { Segment } from "./segment.ts";

export interface SegmentFilesOptions {
  readonly folder: string;
  /** All that the outbox's files may ever take together. */
  readonly maxSizeBytes: number;
  readonly segmentBytes: number;
  /** Nothing in the folder survives a power cut: nothing is synced, and a file is zeros again before it is used again. */
  readonly inMemory?: boolean;
}

/** An open file for a segment to be begun in. */
export interface Target {
  readonly place: Pick<Segment, "number" | "path" | "sizeBytes" | "retired">;
  readonly file: OpenFile;
  readonly isNew: boolean;
}

const ZEROS = Buffer.alloc(64 * 1024);

/** The files for segments to be in: filled with zeros once, and used again and again, within what disk they may take. */
export class SegmentFiles {
  readonly #files: FileLayer;
  readonly #options: SegmentFilesOptions;
  /** What tells of nothing any more. */
  readonly #unused: Segment[];
  readonly #damaged: DamagedFile[];
  /** Taken, and not in use yet. */
  readonly #lent = new Set<Target["place"]>();
  #number: number;

  /** `inUse`: segments that tell of the stream. */
  constructor(
    files: FileLayer,
    options: SegmentFilesOptions,
    inUse: readonly Segment[],
    unused: Segment[],
    damaged: DamagedFile[],
  ) {
    this.#files = files;
    this.#options = options;
    this.#unused = unused;
    this.#damaged = damaged;
    this.#number = Math.max(0, ...[...inUse, ...unused].map(({ number }) => number));
  }

  /** How many segments there may be. */
  get capacity(): number {
    return this.#fitting(0);
  }

  get anyUnused(): boolean {
    return this.#unused.length > 0;
  }

  get unusedBytes(): number {
    return bytesOf(this.#unused);
  }

  /** How many segments may be begun while others are in use. */
  free(inUse: readonly Segment[]): number {
    return Math.max(0, this.#fitting(bytesOf([...inUse, ...this.#lent])));
  }

  isOversized(inUse: readonly Segment[]): boolean {
    return this.#totalBytes(inUse) > this.#options.maxSizeBytes;
  }

  /** A file that is not used, or a new one where there is room. Whoever uses it takes it. */
  open(inUse: readonly Segment[]): Target | undefined {
    const { segmentBytes, maxSizeBytes, folder, inMemory } = this.#options;
    const [unused] = this.#unused;
    if (unused !== undefined) {
      const { number, path, sizeBytes } = unused;
      const target = { place: { number, path, sizeBytes, retired: false }, isNew: false };
      const file = this.#files.open(path, "write");
      if (inMemory) this.#fillWithZeros({ ...target, file });
      return { ...target, file };
    }
    while (this.#totalBytes(inUse) + segmentBytes > maxSizeBytes)
      if (!this.#removeDamaged()) return undefined;
    const number = ++this.#number;
    const path = segmentPath(folder, number);
    const file = this.#files.open(path, "create");
    const target = { place: { number, path, sizeBytes: segmentBytes, retired: false }, file, isNew: true };
    this.#fillWithZeros(target);
    return target;
  }

  /** It is in use now. */
  take({ isNew }: Target): void {
    if (!isNew) this.#unused.shift();
  }

  /** It will be in use when it has been written. */
  lend(target: Target): void {
    this.take(target);
    this.#lent.add(target.place);
  }

  /** What was lent is in use, or gone. */
  settle(target: Target): void {
    this.#lent.delete(target.place);
  }

  /** It could not be used. */
  giveBack({ file, place, isNew }: Target): void {
    file.close();
    if (isNew) this.remove(place);
  }

  /** Nobody needs any more what a segment holds. */
  release(segment: Segment): void {
    if (segment.sizeBytes === this.#options.segmentBytes) this.#unused.push(segment);
    else this.remove(segment);
  }

  /** One that cannot be removed goes on counting as used room. */
  remove({ path, sizeBytes }: Pick<Segment, "path" | "sizeBytes">): void {
    try {
      this.#files.remove(path);
    } catch {
      this.#damaged.push({ path, sizeBytes });
    }
  }

  /** Removes what is not used, where it is of no use or takes more room than there may be. */
  trim(inUse: readonly Segment[]): void {
    for (const segment of this.#unused.splice(0)) {
      if (segment.sizeBytes === this.#options.segmentBytes && !this.isOversized([...inUse, segment]))
        this.#unused.push(segment);
      else this.remove(segment);
    }
  }

  #fillWithZeros(target: Target): void {
    const { segmentBytes } = this.#options;
    try {
      for (let at = 0; at < segmentBytes; at += ZEROS.length)
        target.file.write(ZEROS, Math.min(ZEROS.length, segmentBytes - at), at);
    } catch (error) {
      this.giveBack(target);
      throw error;
    }
  }

  #removeDamaged(): boolean {
    const file = this.#damaged.at(-1);
    if (file === undefined) return false;
    this.#files.remove(file.path);
    this.#damaged.pop();
    return true;
  }

  #fitting(usedBytes: number): number {
    const { maxSizeBytes, segmentBytes } = this.#options;
    return Math.floor((maxSizeBytes - SMALL_FILES_BYTES - usedBytes) / segmentBytes);
  }

  #totalBytes(inUse: readonly Segment[]): number {
    return SMALL_FILES_BYTES + bytesOf([...inUse, ...this.#unused, ...this.#lent, ...this.#damaged]);
  }
}

function bytesOf(files: readonly { readonly sizeBytes: number }[]): number {
  return files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
