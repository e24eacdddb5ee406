import { realpath, stat, statfs } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { type Addon, findAddon, loadAddon } from "../device/linux/addon.ts";
import { type TextFiles, textFiles } from "../device/linux/text-files.ts";
import type { User } from "./user.ts";

/** Whose file it is, and who may do what with it. */
export interface FileFacts {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly isFolder: boolean;
}

/** Room in a file system, for everybody but root. */
export interface Space {
  readonly freeBytes: number;
  readonly totalBytes: number;
  readonly freeFiles: number;
  /** 0: the file system does not count them. */
  readonly totalFiles: number;
}

/** What of this machine the checks look at. Paths are absolute, below one root. */
export interface Machine {
  readonly isLinux: boolean;
  /** Where `/` is. */
  readonly root: string;
  /** Who the doctor runs as. */
  readonly user: User;
  readonly nodeVersion: string;
  /** Undefined where it cannot be read. Without the line feed at the end. */
  text(path: string): Promise<string | undefined>;
  /** What a folder holds; nothing where there is none. */
  names(path: string): Promise<readonly string[]>;
  /** Follows links; undefined where there is nothing, or this user may not look. */
  facts(path: string): Promise<FileFacts | undefined>;
  /** The path without links, below the root; undefined where there is nothing. */
  real(path: string): Promise<string | undefined>;
  space(path: string): Promise<Space | undefined>;
  /** Throws where the native part is missing or does not load. */
  loadAddon(): unknown;
  /** State of the kernel's clock; undefined where it does not tell. */
  kernelClock(): ReturnType<Addon["adjtimex"]> | undefined;
}

export function thisMachine(root = "/"): Machine {
  const files: TextFiles = textFiles(root);
  const orUndefined = <T>(work: Promise<T>) => work.catch(() => undefined);
  return {
    isLinux: process.platform === "linux",
    root,
    user: thisUser(),
    nodeVersion: process.versions.node,
    text: (path) => orUndefined(files.read(path)),
    names: async (path) => (await orUndefined(files.list(path))) ?? [],
    facts: (path) =>
      orUndefined(
        stat(join(root, path)).then((file) => ({
          mode: file.mode,
          uid: file.uid,
          gid: file.gid,
          isFolder: file.isDirectory(),
        })),
      ),
    real: (path) => orUndefined(realpath(join(root, path)).then((whole) => belowRoot(root, whole))),
    space: (path) =>
      orUndefined(
        statfs(join(root, path)).then(({ bavail, blocks, bsize, ffree, files }) => ({
          freeBytes: bavail * bsize,
          totalBytes: blocks * bsize,
          freeFiles: ffree,
          totalFiles: files,
        })),
      ),
    loadAddon,
    kernelClock() {
      try {
        return findAddon()?.adjtimex();
      } catch {
        return undefined;
      }
    },
  };
}

function belowRoot(root: string, path: string): string {
  return root === "/" || !path.startsWith(root) ? path : path.slice(root.length) || "/";
}

function thisUser(): User {
  const uid = process.getuid?.() ?? 0;
  const groups = process.getgroups?.() ?? [];
  return { name: nameOf(uid), uid, groups };
}

/** A user that is in no list has no name. */
function nameOf(uid: number): string {
  try {
    return userInfo().username;
  } catch {
    return String(uid);
  }
}
