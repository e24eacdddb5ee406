import {
  closeSync,
  constants,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  statfsSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import type { FileLayer, OpenFile, OpenMode, Processes } from "./files.ts";

const FLAGS: Readonly<Record<OpenMode, number>> = {
  read: constants.O_RDONLY,
  write: constants.O_RDWR,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
  append: constants.O_RDWR | constants.O_CREAT | constants.O_APPEND,
};

/** Records may hold what a household does all day: only the node's own group may read them. */
const FILE_MODE = 0o640;
const FOLDER_MODE = 0o750;

/** statfs(2), `f_type`: TMPFS_MAGIC and RAMFS_MAGIC. */
const IN_MEMORY: ReadonlySet<number> = new Set([0x01021994, 0x858458f6]);

/** The machine's own file system. */
export function nodeFiles(): FileLayer {
  return {
    processes: linuxProcesses(),
    makeFolder,
    isInMemory: (path) => IN_MEMORY.has(statfsSync(path).type),
    list: (path) => readdirSync(path),
    open: (path, mode) => openFile(openSync(path, FLAGS[mode], FILE_MODE)),
    rename: renameSync,
    remove: unlinkSync,
    async syncFolder(path) {
      const folder = await open(path, "r");
      try {
        await folder.sync();
      } finally {
        await folder.close();
      }
    },
    syncFolderNow(path) {
      const folder = openSync(path, constants.O_RDONLY);
      try {
        fsyncSync(folder);
      } finally {
        closeSync(folder);
      }
    },
  };
}

/**
 * Not by `recursive: true`: that calls a read-only file system ENOENT, and where the kernel lets nobody make folders (/proc)
 * it never returns.
 */
function makeFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  makeFolder(dirname(path));
  mkdirSync(path, FOLDER_MODE);
}

function openFile(fd: number): OpenFile {
  let syncs = 0;
  let closing = false;
  const closeWhenIdle = () => {
    if (closing && syncs === 0) closeSync(fd);
  };
  return {
    sizeBytes: () => fstatSync(fd).size,
    read(into, position) {
      let done = 0;
      while (done < into.length) {
        const count = readSync(fd, into, done, into.length - done, position + done);
        if (count === 0) break;
        done += count;
      }
      return done;
    },
    write(bytes, lengthBytes, position) {
      let done = writeSync(fd, bytes, 0, lengthBytes, position);
      while (done < lengthBytes) done += writeSync(fd, bytes, done, lengthBytes - done, position + done);
    },
    truncate: (sizeBytes) => ftruncateSync(fd, sizeBytes),
    sync() {
      syncs++;
      return new Promise((resolve, reject) => {
        fdatasync(fd, (error) => {
          syncs--;
          closeWhenIdle();
          if (error) reject(error);
          else resolve();
        });
      });
    },
    syncNow: () => fdatasyncSync(fd),
    close() {
      if (closing) return;
      closing = true;
      closeWhenIdle();
    },
  };
}

/** A process is its number, its start time (proc(5): field 22 of `stat`) and the kernel boot: numbers are used again. */
function linuxProcesses(): Processes {
  const bootId = readWord("/proc/sys/kernel/random/boot_id")?.slice(0, 8) ?? "0";
  const startOf = (pid: number | "self") => {
    const stat = readWord(`/proc/${pid}/stat`);
    return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  };
  return {
    self: `${process.pid}-${startOf("self") ?? "0"}-${bootId}`,
    isRunning(identity) {
      const [pid, start, boot] = identity.split("-");
      if (boot !== bootId || !exists(Number(pid))) return false;
      // `/proc` may be hidden from us (mount option hidepid): the process is there, so better believe it.
      return (startOf(Number(pid)) ?? start) === start;
    },
  };
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function readWord(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}
