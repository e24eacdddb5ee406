import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";

/** The small FAT partition that a Raspberry Pi starts from, as a tree of files. Paths have no slash in front. */
export interface BootPartition {
  /** Undefined where there is no such file. */
  read(path: string): Uint8Array | undefined;
  /** Makes the folders above it, too. `progress` hears how many bytes are written so far. */
  write(path: string, bytes: Uint8Array, progress?: (writtenBytes: number) => void): void;
  remove(path: string): void;
  freeBytes(): number;
  /** What was written is on the medium when this returns. */
  close(): void;
}

const PIECE_BYTES = 1024 ** 2;

/** A boot partition that the computer has mounted (`/media/me/bootfs`, `E:\`). */
export function mountedBoot(folder: string, freeBytes: () => number): BootPartition {
  return {
    read(path) {
      const file = join(folder, path);
      return existsSync(file) ? readFileSync(file) : undefined;
    },
    write(path, bytes, progress) {
      const file = join(folder, path);
      mkdirSync(dirname(file), { recursive: true });
      const fd = openSync(file, "w");
      try {
        for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
          const piece = bytes.subarray(at, at + PIECE_BYTES);
          writeSync(fd, piece);
          progress?.(at + piece.length);
        }
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
    },
    remove: (path) => rmSync(join(folder, path), { force: true }),
    freeBytes,
    close() {},
  };
}
