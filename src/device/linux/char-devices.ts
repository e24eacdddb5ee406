import { closeSync, openSync, readdirSync, readSync } from "node:fs";
import { join } from "node:path";
import type { Addon } from "./addon.ts";

/**
 * System calls on the character devices of one folder. None of them waits. Errors carry the system's name as `code`.
 */
export interface CharDevices {
  /** Names of the devices; none where the folder is not there. */
  list(): readonly string[];
  open(name: string): number;
  close(fd: number): void;
  ioctl(fd: number, request: number, data: Buffer): void;
  read(fd: number, into: Buffer): number;
  /** Calls back while there is something to read, until the returned function is called: before the descriptor is closed. */
  watch(fd: number, ready: (error?: Error) => void): () => void;
}

export function charDevices(addon: Addon, folder: string): CharDevices {
  return {
    list: () => deviceNames(folder),
    open: (name) => openSync(join(folder, name), "r+"),
    close: closeSync,
    ioctl: (fd, request, data) => void addon.ioctl(fd, request, data),
    read: (fd, into) => readSync(fd, into),
    watch(fd, ready) {
      const watch = addon.watch(fd, ready);
      return () => addon.unwatch(watch);
    },
  };
}

export function deviceNames(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
