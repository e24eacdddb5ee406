import { closeSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import type { BootPartition } from "./boot-partition.ts";
import {
  decodeLongPiece,
  decodeShortName,
  ENTRY_BYTES,
  encodeLongName,
  LONG_NAME,
  needsLongName,
  shortNameFor,
} from "./fat-names.ts";
import { FatTable, type Geometry, readGeometry } from "./fat-table.ts";

const DELETED = 0xe5;
const VOLUME_LABEL = 0x08;
const FOLDER = 0x10;
const ARCHIVE = 0x20;

interface FolderEntry {
  readonly name: string;
  readonly shortName: string;
  readonly isFolder: boolean;
  readonly firstCluster: number;
  readonly sizeBytes: number;
  /** Byte offsets, on the disk, of its entries: the long ones, then the short one. */
  readonly slots: readonly number[];
}

/**
 * A FAT16 or FAT32 partition inside an image file, written without mounting it. Data goes first, then the table, then the
 * entry that names them: where it is interrupted, some space is lost and no file.
 */
export class FatPartition implements BootPartition {
  readonly #fd: number;
  readonly #geometry: Geometry;
  readonly #table: FatTable;
  readonly #wallMs: () => number;

  /** `offsetBytes`: where in the file the partition begins. Throws where there is no FAT16 or FAT32. */
  constructor(imagePath: string, offsetBytes: number, wallMs: () => number) {
    this.#fd = openSync(imagePath, "r+");
    this.#wallMs = wallMs;
    try {
      this.#geometry = readGeometry(this.#fd, offsetBytes);
      this.#table = new FatTable(this.#fd, this.#geometry);
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  read(path: string): Uint8Array | undefined {
    const entry = this.#find(path);
    if (!entry || entry.isFolder) return undefined;
    const bytes = Buffer.concat(
      this.#table.chain(entry.firstCluster).map((cluster) => this.#readCluster(cluster)),
    );
    return bytes.subarray(0, entry.sizeBytes);
  }

  write(path: string, bytes: Uint8Array, progress?: (writtenBytes: number) => void): void {
    const { folder, name } = this.#placeOf(path);
    const old = this.#entriesOf(folder).find((entry) => sameName(entry.name, name));
    if (old?.isFolder) throw new Error(`${path} is a folder on the boot partition`);
    const clusters = this.#table.allocate(Math.ceil(bytes.length / this.#geometry.clusterBytes));
    this.#writeClusters(clusters, bytes, progress);
    this.#table.save();
    const first = clusters[0] ?? 0;
    if (old) this.#replaceContent(old.slots.at(-1)!, first, bytes.length);
    else this.#addEntry(folder, name, ARCHIVE, first, bytes.length);
    if (old) this.#table.free(old.firstCluster);
    this.#table.save();
  }

  remove(path: string): void {
    const entry = this.#find(path);
    if (!entry) return;
    for (const at of entry.slots) writeSync(this.#fd, Buffer.of(DELETED), 0, 1, at);
    this.#table.free(entry.firstCluster);
    this.#table.save();
  }

  freeBytes(): number {
    return this.#table.freeCount * this.#geometry.clusterBytes;
  }

  close(): void {
    fsyncSync(this.#fd);
    closeSync(this.#fd);
  }

  #find(path: string): FolderEntry | undefined {
    let cluster = this.#geometry.rootCluster;
    let found: FolderEntry | undefined;
    for (const name of path.split("/")) {
      if (found && !found.isFolder) return undefined;
      found = this.#entriesOf(cluster).find((entry) => sameName(entry.name, name));
      if (!found) return undefined;
      cluster = found.firstCluster;
    }
    return found;
  }

  /** The folder that a file belongs in, made where absent. */
  #placeOf(path: string): { readonly folder: number; readonly name: string } {
    const names = path.split("/");
    const name = names.pop()!;
    let folder = this.#geometry.rootCluster;
    for (const above of names) {
      const found = this.#entriesOf(folder).find((entry) => sameName(entry.name, above));
      if (found && !found.isFolder) throw new Error(`${above} is a file on the boot partition, not a folder`);
      folder = found?.firstCluster ?? this.#makeFolder(folder, above);
    }
    return { folder, name };
  }

  #makeFolder(parent: number, name: string): number {
    const [cluster] = this.#table.allocate(1);
    const content = Buffer.alloc(this.#geometry.clusterBytes);
    const above = parent === this.#geometry.rootCluster ? 0 : parent;
    this.#entryBytes(".          ", FOLDER, cluster!, 0).copy(content, 0);
    this.#entryBytes("..         ", FOLDER, above, 0).copy(content, ENTRY_BYTES);
    this.#writeClusters([cluster!], content);
    this.#table.save();
    this.#addEntry(parent, name, FOLDER, cluster!, 0);
    return cluster!;
  }

  /** Byte offsets, on the disk, of all the slots for entries that a folder has now. */
  #slotsOf(folder: number): number[] {
    const { rootCluster, fixedRoot, clusterBytes } = this.#geometry;
    const spans =
      folder === rootCluster && fixedRoot
        ? [fixedRoot]
        : this.#table
            .chain(folder)
            .map((cluster) => ({ at: this.#geometry.clusterAt(cluster), bytes: clusterBytes }));
    return spans.flatMap(({ at, bytes }) =>
      Array.from({ length: bytes / ENTRY_BYTES }, (_, index) => at + index * ENTRY_BYTES),
    );
  }

  #entriesOf(folder: number): FolderEntry[] {
    const entries: FolderEntry[] = [];
    let longName = "";
    let slots: number[] = [];
    for (const at of this.#slotsOf(folder)) {
      const entry = this.#readAt(at, ENTRY_BYTES);
      if (entry[0] === 0) break;
      const attributes = entry[11]!;
      if (entry[0] === DELETED) {
        longName = "";
        slots = [];
      } else if (attributes === LONG_NAME) {
        longName = decodeLongPiece(entry) + longName;
        slots.push(at);
      } else {
        if ((attributes & VOLUME_LABEL) === 0)
          entries.push({
            name: longName || decodeShortName(entry),
            shortName: entry.toString("latin1", 0, 11),
            isFolder: (attributes & FOLDER) !== 0,
            firstCluster: (entry.readUInt16LE(20) << 16) | entry.readUInt16LE(26),
            sizeBytes: entry.readUInt32LE(28),
            slots: [...slots, at],
          });
        longName = "";
        slots = [];
      }
    }
    return entries;
  }

  #addEntry(folder: number, name: string, attributes: number, firstCluster: number, sizeBytes: number): void {
    const shortName = shortNameFor(name, new Set(this.#entriesOf(folder).map((entry) => entry.shortName)));
    const long = needsLongName(name) ? encodeLongName(name, shortName) : [];
    const slots = this.#freeSlots(folder, long.length + 1);
    for (const [index, entry] of long.entries()) writeSync(this.#fd, entry, 0, ENTRY_BYTES, slots[index]!);
    this.#writeEntry(slots.at(-1)!, shortName, attributes, firstCluster, sizeBytes);
  }

  /** So many slots in a row; the folder grows where it has to. */
  #freeSlots(folder: number, count: number): number[] {
    const slots = this.#slotsOf(folder);
    let run: number[] = [];
    for (const at of slots) {
      const first = this.#readAt(at, 1)[0];
      run = first === 0 || first === DELETED ? [...run, at] : [];
      if (run.length === count) return run;
    }
    if (folder === this.#geometry.rootCluster && this.#geometry.fixedRoot)
      throw new Error("the boot partition's root folder is full");
    const [cluster] = this.#table.allocate(1);
    this.#writeClusters([cluster!], Buffer.alloc(this.#geometry.clusterBytes));
    this.#table.append(folder, cluster!);
    this.#table.save();
    return this.#freeSlots(folder, count);
  }

  #writeEntry(
    at: number,
    shortName: string,
    attributes: number,
    firstCluster: number,
    sizeBytes: number,
  ): void {
    const entry = this.#entryBytes(shortName, attributes, firstCluster, sizeBytes);
    writeSync(this.#fd, entry, 0, ENTRY_BYTES, at);
  }

  /** Lets a file's entry name other content; its name, however it is written, stays. */
  #replaceContent(at: number, firstCluster: number, sizeBytes: number): void {
    const entry = this.#readAt(at, ENTRY_BYTES);
    this.#describeContent(entry, firstCluster, sizeBytes);
    writeSync(this.#fd, entry, 0, ENTRY_BYTES, at);
  }

  #entryBytes(shortName: string, attributes: number, firstCluster: number, sizeBytes: number): Buffer {
    const entry = Buffer.alloc(ENTRY_BYTES);
    entry.write(shortName, 0, 11, "latin1");
    entry[11] = attributes;
    this.#describeContent(entry, firstCluster, sizeBytes);
    entry.copy(entry, 14, 22, 26);
    return entry;
  }

  #describeContent(entry: Buffer, firstCluster: number, sizeBytes: number): void {
    const now = new Date(this.#wallMs());
    const date = ((now.getUTCFullYear() - 1980) << 9) | ((now.getUTCMonth() + 1) << 5) | now.getUTCDate();
    const time = (now.getUTCHours() << 11) | (now.getUTCMinutes() << 5) | (now.getUTCSeconds() >> 1);
    entry.writeUInt16LE(date, 18);
    entry.writeUInt16LE(firstCluster >>> 16, 20);
    entry.writeUInt16LE(time, 22);
    entry.writeUInt16LE(date, 24);
    entry.writeUInt16LE(firstCluster & 0xffff, 26);
    entry.writeUInt32LE(sizeBytes, 28);
  }

  #writeClusters(
    clusters: readonly number[],
    bytes: Uint8Array,
    progress?: (writtenBytes: number) => void,
  ): void {
    const { clusterBytes } = this.#geometry;
    for (const [index, cluster] of clusters.entries()) {
      const from = index * clusterBytes;
      const piece = Buffer.alloc(clusterBytes);
      piece.set(bytes.subarray(from, from + clusterBytes));
      writeSync(this.#fd, piece, 0, clusterBytes, this.#geometry.clusterAt(cluster));
      progress?.(Math.min(bytes.length, from + clusterBytes));
    }
  }

  #readCluster(cluster: number): Buffer {
    return this.#readAt(this.#geometry.clusterAt(cluster), this.#geometry.clusterBytes);
  }

  #readAt(at: number, lengthBytes: number): Buffer {
    const bytes = Buffer.alloc(lengthBytes);
    readSync(this.#fd, bytes, 0, lengthBytes, at);
    return bytes;
  }
}

/** FAT keeps the case of a name and does not tell names apart by it. */
function sameName(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}
