import { readSync, writeSync } from "node:fs";

/** Where a partition keeps what. Source: as in fat-names.ts, "Boot Sector and BPB Structure". */
export interface Geometry {
  readonly clusterBytes: number;
  /** Data clusters are numbered from 2 on. */
  readonly clusterCount: number;
  /** Bytes of a table entry: 2 on FAT16, 4 on FAT32. */
  readonly entryBytes: 2 | 4;
  /** Byte offsets, on the disk, of the copies of the table. */
  readonly tables: readonly number[];
  readonly tableBytes: number;
  /** The root folder's first cluster; 0 on FAT16, whose root folder is a place of fixed size. */
  readonly rootCluster: number;
  readonly fixedRoot: { readonly at: number; readonly bytes: number } | undefined;
  /** FAT32: where it notes how much is free. */
  readonly infoAt: number | undefined;
  clusterAt(cluster: number): number;
}

const FAT16_MIN_CLUSTERS = 4085;
const FAT32_MIN_CLUSTERS = 65525;

export function readGeometry(fd: number, offsetBytes: number): Geometry {
  const sector = Buffer.alloc(512);
  readSync(fd, sector, 0, 512, offsetBytes);
  const sectorBytes = sector.readUInt16LE(11);
  const sectorsPerCluster = sector[13]!;
  if (sector.readUInt16LE(510) !== 0xaa55 || sectorBytes < 512 || sectorsPerCluster === 0)
    throw new Error("the image's first partition holds no FAT file system");
  const reserved = sector.readUInt16LE(14);
  const copies = sector[16]!;
  const rootEntries = sector.readUInt16LE(17);
  const sectors = sector.readUInt16LE(19) || sector.readUInt32LE(32);
  const tableSectors = sector.readUInt16LE(22) || sector.readUInt32LE(36);
  const rootSectors = Math.ceil((rootEntries * 32) / sectorBytes);
  const dataSector = reserved + copies * tableSectors + rootSectors;
  const clusterCount = Math.floor((sectors - dataSector) / sectorsPerCluster);
  if (clusterCount < FAT16_MIN_CLUSTERS)
    throw new Error("a boot partition that small (FAT12) is not supported");
  const is32 = clusterCount >= FAT32_MIN_CLUSTERS;
  const clusterBytes = sectorsPerCluster * sectorBytes;
  const at = (sectorNumber: number) => offsetBytes + sectorNumber * sectorBytes;
  return {
    clusterBytes,
    clusterCount,
    entryBytes: is32 ? 4 : 2,
    tables: Array.from({ length: copies }, (_, copy) => at(reserved + copy * tableSectors)),
    tableBytes: tableSectors * sectorBytes,
    rootCluster: is32 ? sector.readUInt32LE(44) : 0,
    fixedRoot: is32 ? undefined : { at: at(dataSector - rootSectors), bytes: rootSectors * sectorBytes },
    infoAt: is32 ? at(sector.readUInt16LE(48)) : undefined,
    clusterAt: (cluster) => at(dataSector) + (cluster - 2) * clusterBytes,
  };
}

const FIRST_CLUSTER = 2;
/** The upper four bits of a FAT32 entry belong to nobody and are kept. */
const FAT32_MASK = 0x0fffffff;

/** Which cluster follows which; held in memory, written back by {@link save}. */
export class FatTable {
  readonly #fd: number;
  readonly #geometry: Geometry;
  readonly #bytes: Buffer;
  #freeCount: number;
  #nextFree = FIRST_CLUSTER;

  constructor(fd: number, geometry: Geometry) {
    this.#fd = fd;
    this.#geometry = geometry;
    this.#bytes = Buffer.alloc(geometry.tableBytes);
    readSync(fd, this.#bytes, 0, geometry.tableBytes, geometry.tables[0]!);
    this.#freeCount = 0;
    for (let cluster = FIRST_CLUSTER; cluster < FIRST_CLUSTER + geometry.clusterCount; cluster++)
      if (this.#get(cluster) === 0) this.#freeCount++;
  }

  get freeCount(): number {
    return this.#freeCount;
  }

  /** The clusters of a file or folder; none for 0. Throws where the table is damaged. */
  chain(first: number): number[] {
    const clusters: number[] = [];
    for (let cluster = first; this.#isData(cluster); cluster = this.#get(cluster)) {
      clusters.push(cluster);
      if (clusters.length > this.#geometry.clusterCount)
        throw new Error("the boot partition is damaged: its table of clusters runs in a circle");
    }
    return clusters;
  }

  /** A new chain of so many clusters. Throws where there is no room, and then nothing has changed. */
  allocate(count: number): number[] {
    if (count > this.#freeCount) {
      const missing = Math.ceil(((count - this.#freeCount) * this.#geometry.clusterBytes) / 1e6);
      throw new Error(`the boot partition is too full: ${missing} MB are missing`);
    }
    const clusters: number[] = [];
    const end = FIRST_CLUSTER + this.#geometry.clusterCount;
    for (let cluster = this.#nextFree; clusters.length < count; cluster++) {
      if (cluster >= end) cluster = FIRST_CLUSTER;
      if (this.#get(cluster) !== 0) continue;
      this.#set(cluster, this.#endMark());
      if (clusters.length > 0) this.#set(clusters.at(-1)!, cluster);
      clusters.push(cluster);
      this.#nextFree = cluster + 1;
    }
    this.#freeCount -= count;
    return clusters;
  }

  append(first: number, cluster: number): void {
    this.#set(this.chain(first).at(-1)!, cluster);
  }

  free(first: number): void {
    for (const cluster of this.chain(first)) {
      this.#set(cluster, 0);
      this.#freeCount++;
    }
  }

  save(): void {
    for (const at of this.#geometry.tables) writeSync(this.#fd, this.#bytes, 0, this.#bytes.length, at);
    const { infoAt } = this.#geometry;
    if (infoAt === undefined) return;
    const counts = Buffer.alloc(8);
    counts.writeUInt32LE(this.#freeCount, 0);
    counts.writeUInt32LE(Math.min(this.#nextFree, this.#geometry.clusterCount + 1), 4);
    writeSync(this.#fd, counts, 0, 8, infoAt + 488);
  }

  #isData(cluster: number): boolean {
    return cluster >= FIRST_CLUSTER && cluster < FIRST_CLUSTER + this.#geometry.clusterCount;
  }

  #endMark(): number {
    return this.#geometry.entryBytes === 4 ? FAT32_MASK : 0xffff;
  }

  #get(cluster: number): number {
    return this.#geometry.entryBytes === 4
      ? this.#bytes.readUInt32LE(cluster * 4) & FAT32_MASK
      : this.#bytes.readUInt16LE(cluster * 2);
  }

  #set(cluster: number, value: number): void {
    if (this.#geometry.entryBytes === 2) {
      this.#bytes.writeUInt16LE(value, cluster * 2);
      return;
    }
    const kept = this.#bytes.readUInt32LE(cluster * 4) & ~FAT32_MASK;
    this.#bytes.writeUInt32LE((kept | value) >>> 0, cluster * 4);
  }
}
