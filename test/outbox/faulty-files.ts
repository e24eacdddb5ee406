import type { FileLayer, OpenFile, OpenMode } from "../../src/outbox/files/files.ts";

export type Operation = "open" | "read" | "write" | "sync" | "rename" | "remove" | "list" | "syncFolder";

/** A file layer that fails where a test says so, and remembers what was asked of it. */
export interface FaultyFiles extends FileLayer {
  /** The error code with which an operation on bytes of a path fails; undefined: it works. */
  fault: (
    operation: Operation,
    path: string,
    position: number,
    bytes: number,
    mode?: OpenMode,
  ) => string | undefined;
  /** How many files are open now. */
  openFiles(): number;
  readonly calls: { readonly operation: Operation; readonly path: string; readonly bytes: number }[];
}

class DiskError extends Error {
  readonly code: string;
  constructor(code: string, operation: Operation, path: string) {
    super(`${code}: ${operation} ${path}`);
    this.code = code;
  }
}

export function faultyFiles(files: FileLayer): FaultyFiles {
  const calls: FaultyFiles["calls"] = [];
  const check = (operation: Operation, path: string, position = 0, bytes = 0, mode?: OpenMode) => {
    calls.push({ operation, path, bytes });
    const code = layer.fault(operation, path, position, bytes, mode);
    if (code !== undefined) throw new DiskError(code, operation, path);
  };
  let open = 0;
  const wrap = (path: string, file: OpenFile): OpenFile => ({
    ...file,
    close() {
      file.close();
      open--;
    },
    read(into, position) {
      check("read", path, position, into.length);
      return file.read(into, position);
    },
    write(bytes, lengthBytes, position) {
      check("write", path, position, lengthBytes);
      file.write(bytes, lengthBytes, position);
    },
    async sync() {
      check("sync", path);
      await file.sync();
    },
    syncNow() {
      check("sync", path);
      file.syncNow();
    },
  });
  const layer: FaultyFiles = {
    ...files,
    fault: () => undefined,
    calls,
    openFiles: () => open,
    list(path) {
      check("list", path);
      return files.list(path);
    },
    open(path, mode) {
      check("open", path, 0, 0, mode);
      const file = files.open(path, mode);
      open++;
      return wrap(path, file);
    },
    rename(from, to) {
      check("rename", from);
      files.rename(from, to);
    },
    remove(path) {
      check("remove", path);
      files.remove(path);
    },
    async syncFolder(path) {
      check("syncFolder", path);
      await files.syncFolder(path);
    },
    syncFolderNow(path) {
      check("syncFolder", path);
      files.syncFolderNow(path);
    },
  };
  return layer;
}
