import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { undoAtExit } from "./scratch.ts";

const IMAGE_BYTES = 256 * 1024 ** 2;
/** What ext4 takes on an SD card; of itself it would take smaller ones for so small a disk. */
const BLOCK_BYTES = 4_096;
/** `/sys/block/loopN/stat` counts in these whatever the device's own sectors are (Linux, Documentation/block/stat.rst). */
const SECTOR_BYTES = 512;
/** Field 7 of the same file: sectors written. */
const SECTORS_WRITTEN_AT = 6;

/** Each transaction of the journal writes a descriptor, the blocks that have changed, and a commit record. */
const TRANSACTION_MIN_BYTES = 3 * BLOCK_BYTES;

/** An ext4 file system on a block device of its own, so that what is written to it can be counted. */
export interface LoopDisk {
  readonly folder: string;
  /** Everything that the device was given so far, after having the kernel write out what it still held back. */
  writtenBytes(): number;
  /** The least that the file system's journal has written of it, where the kernel tells. */
  journalBytes(): number | undefined;
  remove(): void;
}

/** Mounted with the file system's defaults and `mountOptions`. Undefined where this machine does not allow it. */
export function mountLoopDisk(scratch: string, mountOptions: readonly string[] = []): LoopDisk | undefined {
  if (process.getuid?.() !== 0 || !existsSync("/dev/loop-control")) return undefined;
  const image = join(scratch, "disk.img");
  const folder = join(scratch, "disk");
  const undone: (() => void)[] = [];
  const remove = () => {
    for (const undo of undone.splice(0).reverse()) undo();
  };
  try {
    writeFileSync(image, "");
    undone.push(undoAtExit(() => rmSync(image)));
    truncateSync(image, IMAGE_BYTES);
    // All of it now: what ext4 initialises later, in the background, would be counted as ours.
    run(
      "mkfs.ext4",
      "-q",
      "-F",
      "-b",
      String(BLOCK_BYTES),
      "-E",
      "lazy_itable_init=0,lazy_journal_init=0",
      image,
    );
    const device = run("losetup", "--find", "--show", image).trim();
    undone.push(undoAtExit(() => void run("losetup", "--detach", device)));
    mkdirSync(folder);
    run("mount", "-o", ["defaults", ...mountOptions].join(","), device, folder);
    // Lazily: where the bench is interrupted, its files in there are still open. The loop device follows.
    undone.push(undoAtExit(() => void run("umount", "--lazy", folder)));
    const statistics = `/sys/block/${basename(device)}/stat`;
    return {
      folder,
      writtenBytes() {
        run("sync", "--file-system", folder);
        const fields = readFileSync(statistics, "utf8").trim().split(/\s+/);
        return Number(fields[SECTORS_WRITTEN_AT]) * SECTOR_BYTES;
      },
      journalBytes() {
        const transactions = transactionsOf(basename(device));
        return transactions === undefined ? undefined : transactions * TRANSACTION_MIN_BYTES;
      },
      remove,
    };
  } catch {
    remove();
    return undefined;
  }
}

/** Since the file system was mounted: `/proc/fs/jbd2/loopN-8/info` (Linux, fs/jbd2/journal.c); 8 is the journal's inode. */
function transactionsOf(device: string): number | undefined {
  try {
    return Number(/^(\d+) transactions/.exec(readFileSync(`/proc/fs/jbd2/${device}-8/info`, "utf8"))?.[1]);
  } catch {
    return undefined;
  }
}

function run(command: string, ...args: readonly string[]): string {
  return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
}
