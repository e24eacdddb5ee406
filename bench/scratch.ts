import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** statfs(2): what lives in memory says nothing of a disk. */
const TMPFS_MAGIC = 0x01021994;

const MEMORY_FOLDER = "/dev/shm";

/** A folder that lives in memory; undefined where this machine has none. */
export function memoryFolder(): string | undefined {
  try {
    return statfsSync(MEMORY_FOLDER).type === TMPFS_MAGIC ? MEMORY_FOLDER : undefined;
  } catch {
    return undefined;
  }
}

/** In the order they were done; undone in the other. */
const done: (() => void)[] = [];

/**
 * Sees to it that something is undone, however the bench ends. `undo` must not wait for anything. Returns the way to do
 * it now.
 */
export function undoAtExit(undo: () => void): () => void {
  done.push(undo);
  return () => {
    const at = done.indexOf(undo);
    if (at < 0) return;
    done.splice(at, 1);
    undo();
  };
}

process.on("exit", () => {
  for (const undo of done.splice(0).reverse()) {
    try {
      undo();
    } catch (error) {
      // The others must still be undone.
      process.stderr.write(`bench: ${(error as Error).message}\n`);
    }
  }
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

/** An empty folder on a disk, gone when the bench ends. */
export function makeScratchFolder(): string {
  const parent = [tmpdir(), "/var/tmp"].find((path) => statfsSync(path).type !== TMPFS_MAGIC);
  if (parent === undefined) throw new Error("set TMPDIR to a folder on a disk: this one is in memory");
  const folder = mkdtempSync(join(parent, "fieldpost-bench-"));
  undoAtExit(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
