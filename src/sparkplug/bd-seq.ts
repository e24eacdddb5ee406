import type { Log } from "../log.ts";
import { type FileLayer, isAbsent } from "../outbox/files/files.ts";

/** Beside the outbox. */
export const BD_SEQ_FILE = "sparkplug.bdseq";

/** Numbers a node's connections, so that a host knows which birth a death belongs to (section 6.4.17). */
export interface BdSeq {
  /** That of the latest CONNECT. */
  current(): number;
  /** The next one, 0 to 255 and round again: each CONNECT has its own. Written down before it is used. */
  next(): number;
}

/**
 * Goes on from what an earlier run wrote; starts at 0. A killed process has its number written down; a power cut right
 * after a CONNECT may have it used once more.
 */
export function openBdSeq(files: FileLayer, path: string, log: Log): BdSeq {
  let current = readNumber(files, path, log);
  let failed = false;

  function remember(): void {
    try {
      const file = openFile(files, path);
      try {
        const bytes = Buffer.from(`${String(current).padStart(3, "0")}\n`);
        file.write(bytes, bytes.length, 0);
        file.sync().catch(() => {});
      } finally {
        file.close();
      }
    } catch (error) {
      if (!failed) log.warn("the number of the connection is not remembered", { path, error: String(error) });
      failed = true;
    }
  }

  return {
    current: () => current ?? 0,
    next() {
      current = current === undefined ? 0 : (current + 1) % 256;
      remember();
      return current;
    },
  };
}

function openFile(files: FileLayer, path: string) {
  try {
    return files.open(path, "write");
  } catch (error) {
    if (!isAbsent(error)) throw error;
    return files.open(path, "create");
  }
}

function readNumber(files: FileLayer, path: string, log: Log): number | undefined {
  try {
    const file = files.open(path, "read");
    try {
      const bytes = new Uint8Array(4);
      const text = Buffer.from(bytes.subarray(0, file.read(bytes, 0))).toString();
      const number = /^\d{3}\n$/.test(text) ? Number(text) : Number.NaN;
      if (number <= 255) return number;
      log.warn("the number of the last connection is damaged: they start at 0 again", { path });
    } finally {
      file.close();
    }
  } catch (error) {
    if (!isAbsent(error))
      log.warn("the number of the last connection cannot be read", { error: String(error) });
  }
  return undefined;
}
