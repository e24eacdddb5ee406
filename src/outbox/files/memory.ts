import type { FileLayer, OpenFile, OpenMode } from "./files.ts";

const PAGE_BYTES = 4096;

/** A disk in memory that outlives the nodes that run on it, and that forgets on a power cut what no one synced. */
export interface MemoryDisk {
  /** The disk as one process sees it. */
  mount(): Mount;
  /** Every process dies, and what was not synced is gone: bytes, sizes and names. Below `/run` everything is. */
  cutPower(): void;
  /** From now on every write, sync and change of a name fails with this code; undefined: the disk works again. Not below `/run`. */
  refuseWrites(code: string | undefined): void;
  /** Bytes of all files below `path`. */
  usedBytes(path: string): number;
}

export interface Mount extends FileLayer {
  /** The process dies: its files fail from now on, what it wrote stays. */
  kill(): void;
}

interface Inode {
  bytes: Uint8Array;
  sizeBytes: number;
  durable: Uint8Array;
  durableSizeBytes: number;
  /** Pages written since the last sync. */
  readonly dirty: Set<number>;
}

interface Folder {
  names: Map<string, Inode>;
  durableNames: Map<string, Inode>;
}

/** Where files live in memory only, as on Linux (file-hierarchy(7)). */
const isInMemory = (path: string) => path.startsWith("/run/");

class MemoryFileError extends Error {
  readonly code: string;
  constructor(code: string, path: string) {
    super(`${code}: ${path}`);
    this.code = code;
  }
}

export function memoryDisk(): MemoryDisk {
  const folders = new Map<string, Folder>();
  const running = new Map<string, { alive: boolean }>();
  let mounts = 0;
  let refusal: string | undefined;
  const guardWrite = (path: string) => {
    if (refusal !== undefined && !isInMemory(path)) throw new MemoryFileError(refusal, path);
  };

  return {
    mount() {
      const self = `${++mounts}-memory-0`;
      const process = { alive: true };
      running.set(self, process);
      const isRunning = (other: string) => running.get(other)?.alive ?? false;
      return mountOf(folders, self, process, isRunning, guardWrite);
    },
    cutPower() {
      for (const process of running.values()) process.alive = false;
      for (const path of [...folders.keys()].filter(isInMemory)) folders.delete(path);
      for (const folder of folders.values()) {
        folder.names = new Map(folder.durableNames);
        for (const inode of folder.names.values()) forget(inode);
      }
    },
    refuseWrites(code) {
      refusal = code;
    },
    usedBytes(path) {
      const inodes = folders.get(path)?.names.values() ?? [];
      return [...inodes].reduce((sum, inode) => sum + inode.sizeBytes, 0);
    },
  };
}

function mountOf(
  folders: Map<string, Folder>,
  self: string,
  process: { alive: boolean },
  isRunning: (other: string) => boolean,
  guardWrite: (path: string) => void,
): Mount {
  const guard = (path: string) => {
    if (!process.alive) throw new MemoryFileError("EIO", path);
  };
  const locate = (path: string): { folder: Folder; name: string; inode: Inode | undefined } => {
    guard(path);
    const cut = path.lastIndexOf("/");
    const folder = folders.get(path.slice(0, cut));
    if (!folder) throw new MemoryFileError("ENOENT", path);
    const name = path.slice(cut + 1);
    return { folder, name, inode: folder.names.get(name) };
  };
  const existing = (path: string) => {
    const { folder, name, inode } = locate(path);
    if (!inode) throw new MemoryFileError("ENOENT", path);
    return { folder, name, inode };
  };
  const folderAt = (path: string) => {
    guard(path);
    const folder = folders.get(path);
    if (!folder) throw new MemoryFileError("ENOENT", path);
    return folder;
  };
  const syncFolderNow = (path: string) => {
    guardWrite(path);
    const folder = folderAt(path);
    folder.durableNames = new Map(folder.names);
  };
  return {
    processes: { self, isRunning },
    kill() {
      process.alive = false;
    },
    makeFolder(path) {
      guard(path);
      if (!folders.has(path)) folders.set(path, { names: new Map(), durableNames: new Map() });
    },
    isInMemory,
    list: (path) => [...folderAt(path).names.keys()],
    open(path, mode) {
      const { folder, name, inode } = locate(path);
      if (inode) {
        if (mode === "create") throw new MemoryFileError("EEXIST", path);
        return openInode(inode, path, mode, guard, guardWrite);
      }
      if (mode === "read" || mode === "write") throw new MemoryFileError("ENOENT", path);
      guardWrite(path);
      const made = emptyInode();
      folder.names.set(name, made);
      return openInode(made, path, mode, guard, guardWrite);
    },
    rename(from, to) {
      const source = existing(from);
      const target = locate(to);
      guardWrite(to);
      source.folder.names.delete(source.name);
      target.folder.names.set(target.name, source.inode);
    },
    remove(path) {
      const { folder, name } = existing(path);
      guardWrite(path);
      folder.names.delete(name);
    },
    async syncFolder(path) {
      syncFolderNow(path);
    },
    syncFolderNow,
  };
}

function openInode(
  inode: Inode,
  path: string,
  mode: OpenMode,
  guard: (path: string) => void,
  guardWrite: (path: string) => void,
): OpenFile {
  let open = true;
  const check = () => {
    guard(path);
    if (!open) throw new MemoryFileError("EBADF", path);
  };
  const checkWritable = () => {
    check();
    if (mode === "read") throw new MemoryFileError("EBADF", path);
    guardWrite(path);
  };
  const syncNow = () => {
    check();
    guardWrite(path);
    persist(inode);
  };
  return {
    sizeBytes() {
      check();
      return inode.sizeBytes;
    },
    read(into, position) {
      check();
      const count = Math.max(0, Math.min(into.length, inode.sizeBytes - position));
      into.set(inode.bytes.subarray(position, position + count));
      return count;
    },
    write(bytes, lengthBytes, position) {
      checkWritable();
      const start = mode === "append" ? inode.sizeBytes : position;
      resize(inode, Math.max(inode.sizeBytes, start + lengthBytes));
      inode.bytes.set(bytes.subarray(0, lengthBytes), start);
      touch(inode, start, start + lengthBytes);
    },
    truncate(sizeBytes) {
      checkWritable();
      resize(inode, sizeBytes);
    },
    async sync() {
      syncNow();
    },
    syncNow,
    close() {
      open = false;
    },
  };
}

function emptyInode(): Inode {
  const none = new Uint8Array(0);
  return { bytes: none, sizeBytes: 0, durable: none, durableSizeBytes: 0, dirty: new Set() };
}

function touch(inode: Inode, start: number, end: number): void {
  for (let page = Math.floor(start / PAGE_BYTES); page * PAGE_BYTES < end; page++) inode.dirty.add(page);
}

/** Changes the size; new bytes are zero. */
function resize(inode: Inode, sizeBytes: number): void {
  inode.bytes = grown(inode.bytes, sizeBytes);
  if (sizeBytes < inode.sizeBytes) inode.bytes.fill(0, sizeBytes, inode.sizeBytes);
  touch(inode, Math.min(sizeBytes, inode.sizeBytes), Math.max(sizeBytes, inode.sizeBytes));
  inode.sizeBytes = sizeBytes;
}

function grown(bytes: Uint8Array, sizeBytes: number): Uint8Array {
  if (bytes.length >= sizeBytes) return bytes;
  const larger = new Uint8Array(Math.max(sizeBytes, bytes.length * 2));
  larger.set(bytes);
  return larger;
}

function persist(inode: Inode): void {
  inode.durable = grown(inode.durable, inode.bytes.length);
  for (const page of inode.dirty) {
    const start = page * PAGE_BYTES;
    inode.durable.set(inode.bytes.subarray(start, start + PAGE_BYTES), start);
  }
  inode.dirty.clear();
  inode.durableSizeBytes = inode.sizeBytes;
}

function forget(inode: Inode): void {
  for (const page of inode.dirty) {
    const start = page * PAGE_BYTES;
    inode.bytes.fill(0, start, start + PAGE_BYTES);
    inode.bytes.set(inode.durable.subarray(start, start + PAGE_BYTES), start);
  }
  inode.dirty.clear();
  inode.sizeBytes = inode.durableSizeBytes;
}
