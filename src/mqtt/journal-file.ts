import { type FileHandle, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import type { JournalFile } from "./journal.ts";

/** The journal's file on a real disk. Its folder must exist. */
export function journalFileAt(path: string): JournalFile {
  let handle: FileHandle | undefined;

  async function openToAppend(): Promise<FileHandle> {
    const opened = await open(path, "a", 0o600);
    await syncFolder(dirname(path));
    return opened;
  }

  async function giveBack(): Promise<void> {
    const open = handle;
    handle = undefined;
    await open?.close();
  }

  return {
    async read() {
      try {
        return await readFile(path);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return new Uint8Array();
        throw error;
      }
    },
    async append(bytes) {
      handle ??= await openToAppend();
      await handle.appendFile(bytes);
      await handle.datasync();
    },
    async replace(bytes) {
      await giveBack();
      const next = `${path}.next`;
      const file = await open(next, "w", 0o600);
      try {
        await file.writeFile(bytes);
        await file.datasync();
      } finally {
        await file.close();
      }
      await rename(next, path);
      await syncFolder(dirname(path));
    },
    close: giveBack,
  };
}

/** A new name is durable only when its folder is. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
