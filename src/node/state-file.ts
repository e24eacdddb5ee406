import { dirname } from "node:path";
import type { MemoryFile } from "../actuators/memory.ts";
import type { JournalFile } from "../mqtt/downlink/journal.ts";
import { type FileLayer, isAbsent, type OpenFile } from "../outbox/files/files.ts";

/** One of the node's small durable files, beside the outbox's own in the same folder. The folder must exist. */
export function journalFileOn(files: FileLayer, path: string): JournalFile {
  let open: OpenFile | undefined;

  async function openToAppend(): Promise<OpenFile> {
    const opened = files.open(path, "append");
    await files.syncFolder(dirname(path));
    return opened;
  }

  async function close(): Promise<void> {
    open?.close();
    open = undefined;
  }

  return {
    read: async () => readWhole(files, path) ?? new Uint8Array(),
    async append(bytes) {
      open ??= await openToAppend();
      open.write(bytes, bytes.length, open.sizeBytes());
      await open.sync();
    },
    async replace(bytes) {
      await close();
      await replaceWhole(files, path, bytes);
    },
    close,
  };
}

export function memoryFileOn(files: FileLayer, path: string): MemoryFile {
  return {
    async read() {
      const bytes = readWhole(files, path);
      return bytes && Buffer.from(bytes).toString();
    },
    replace: (text) => replaceWhole(files, path, Buffer.from(text)),
  };
}

function readWhole(files: FileLayer, path: string): Uint8Array | undefined {
  try {
    const file = files.open(path, "read");
    try {
      const bytes = new Uint8Array(file.sizeBytes());
      return bytes.subarray(0, file.read(bytes, 0));
    } finally {
      file.close();
    }
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** In one step that a power cut cannot tear: a reader finds the old bytes or the new ones. */
async function replaceWhole(files: FileLayer, path: string, bytes: Uint8Array): Promise<void> {
  const next = `${path}.next`;
  const file = files.open(next, "append");
  try {
    file.truncate(0);
    file.write(bytes, bytes.length, 0);
    await file.sync();
  } finally {
    file.close();
  }
  files.rename(next, path);
  await files.syncFolder(dirname(path));
}
