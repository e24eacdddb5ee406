import { closeSync, constants, openSync, readSync } from "node:fs";
import { access, open, readdir } from "node:fs/promises";
import { join } from "node:path";

/** The small text files through which the kernel speaks (`/proc`, `/sys`), by path below one root. Errors are Node's. */
export interface TextFiles {
  /** Without the line feed or zero byte at the end. */
  read(path: string): Promise<string>;
  /**
   * The same, blocking: for what the kernel answers from memory (`/proc`, a thermal zone), read every second for years.
   * Opening, reading and closing through the thread pool costs far more memory than the answer.
   */
  readNow(path: string): string;
  /** Writes to a file that exists; never creates one. */
  write(path: string, text: string): Promise<void>;
  list(path: string): Promise<readonly string[]>;
  /** Whether the file exists and this process may read and write it. */
  isUsable(path: string): Promise<boolean>;
}

/** Enough for most of them. */
const CHUNK_BYTES = 2_048;

export function textFiles(root = "/"): TextFiles {
  return {
    read: async (path) => (await readShort(join(root, path))).replace(/[\0\s]+$/, ""),
    readNow: (path) => readShortNow(join(root, path)).replace(/[\0\s]+$/, ""),
    async write(path, text) {
      const file = await open(join(root, path), constants.O_WRONLY);
      try {
        await file.write(text);
      } finally {
        await file.close();
      }
    },
    list: async (path) => (await readdir(join(root, path))).sort(),
    isUsable: (path) =>
      access(join(root, path), constants.R_OK | constants.W_OK).then(
        () => true,
        () => false,
      ),
  };
}

/** The kernel gives its files no size, and for such a one `readFile` takes 64 KiB each time. */
async function readShort(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY);
  try {
    const chunks: Buffer[] = [];
    for (;;) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES);
      if (bytesRead === 0) return Buffer.concat(chunks).toString();
      chunks.push(chunk.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

const shared = Buffer.alloc(2 * CHUNK_BYTES);

function readShortNow(path: string): string {
  const file = openSync(path, constants.O_RDONLY);
  try {
    let text = "";
    for (;;) {
      const bytesRead = readSync(file, shared, 0, shared.length, null);
      if (bytesRead === 0) return text;
      text += shared.toString("latin1", 0, bytesRead);
    }
  } finally {
    closeSync(file);
  }
}

/** The system's name for what went wrong (`ENOENT`); empty where the error has none. */
export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}
