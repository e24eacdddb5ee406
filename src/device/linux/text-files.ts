import { constants } from "node:fs";
import { access, open, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** The small text files through which the kernel speaks (`/proc`, `/sys`), by path below one root. Errors are Node's. */
export interface TextFiles {
  /** Without the line feed or zero byte at the end. */
  read(path: string): Promise<string>;
  /** Writes to a file that exists; never creates one. */
  write(path: string, text: string): Promise<void>;
  list(path: string): Promise<readonly string[]>;
  /** Whether the file exists and this process may read and write it. */
  isUsable(path: string): Promise<boolean>;
}

export function textFiles(root = "/"): TextFiles {
  return {
    read: async (path) => (await readFile(join(root, path), "utf8")).replace(/[\0\s]+$/, ""),
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

/** The system's name for what went wrong (`ENOENT`); empty where the error has none. */
export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}
