import type { FileLayer, OpenFile } from "../../src/outbox/files/files.ts";

/** What a run asked of its disk, in order. Files are known by a number of their own: names come and go. */
export type Operation =
  | { readonly do: "create"; readonly file: number; readonly name: string }
  | { readonly do: "rename"; readonly from: string; readonly to: string }
  | { readonly do: "remove"; readonly name: string }
  | { readonly do: "write"; readonly file: number; readonly at: number; readonly bytes: Uint8Array }
  | { readonly do: "truncate"; readonly file: number; readonly sizeBytes: number }
  /** A sync has ended that covers the file's operations before `until`. */
  | { readonly do: "sync"; readonly file: number; readonly until: number }
  | { readonly do: "syncFolder"; readonly until: number };

/** Files by name. */
export type DiskState = ReadonlyMap<string, Uint8Array>;

export interface RecordedDisk {
  readonly files: FileLayer;
  readonly log: readonly Operation[];
}

/** A file layer that carries everything out on `files` and writes down what was done. One folder, no folders in it, and what lies in memory left out. */
export function recordedDisk(files: FileLayer, start: DiskState): RecordedDisk {
  const log: Operation[] = [];
  const fileOf = new Map([...start.keys()].map((name, index) => [name, index]));
  let made = fileOf.size;
  const nameOf = (path: string) => path.slice(path.lastIndexOf("/") + 1);

  const record = (file: number, inner: OpenFile, appends: boolean): OpenFile => ({
    ...inner,
    write(bytes, lengthBytes, position) {
      const at = appends ? inner.sizeBytes() : position;
      inner.write(bytes, lengthBytes, position);
      log.push({ do: "write", file, at, bytes: Uint8Array.from(bytes.subarray(0, lengthBytes)) });
    },
    truncate(sizeBytes) {
      inner.truncate(sizeBytes);
      log.push({ do: "truncate", file, sizeBytes });
    },
    async sync() {
      const until = log.length;
      await inner.sync();
      log.push({ do: "sync", file, until });
    },
    syncNow() {
      inner.syncNow();
      log.push({ do: "sync", file, until: log.length });
    },
  });

  return {
    log,
    files: {
      ...files,
      open(path, mode) {
        const inner = files.open(path, mode);
        if (files.isInMemory(path)) return inner;
        const name = nameOf(path);
        let file = fileOf.get(name);
        if (file === undefined) {
          file = made++;
          fileOf.set(name, file);
          log.push({ do: "create", file, name });
        }
        return record(file, inner, mode === "append");
      },
      rename(from, to) {
        files.rename(from, to);
        fileOf.set(nameOf(to), fileOf.get(nameOf(from))!);
        fileOf.delete(nameOf(from));
        log.push({ do: "rename", from: nameOf(from), to: nameOf(to) });
      },
      remove(path) {
        files.remove(path);
        if (files.isInMemory(path)) return;
        fileOf.delete(nameOf(path));
        log.push({ do: "remove", name: nameOf(path) });
      },
      async syncFolder(path) {
        const until = log.length;
        await files.syncFolder(path);
        log.push({ do: "syncFolder", until });
      },
      syncFolderNow(path) {
        files.syncFolderNow(path);
        log.push({ do: "syncFolder", until: log.length });
      },
    },
  };
}
