import type { FileLayer } from "../files/files.ts";
import { SLOT_FILE_BYTES } from "./slots.ts";

/** Names in the outbox's folder. Others may keep files there: any other name is theirs. */
export const STATE = "state";
export const PROGRESS = "ack";
export const LOCK = "lock";

const SEGMENT = /^(\d{8})\.seg$/;
const DAMAGED = /^(?:state|ack|\d{8}\.seg)\.damaged$/;
const DAMAGED_MAX = 3;
const LOCK_MAX_BYTES = 4096;

/** What the files beside the segments may take. */
export const SMALL_FILES_BYTES = 2 * SLOT_FILE_BYTES + LOCK_MAX_BYTES;

/** The number in a segment's file name; undefined where it is no such name. */
export function segmentNumber(name: string): number | undefined {
  const digits = SEGMENT.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

export function segmentPath(folder: string, number: number): string {
  return `${folder}/${String(number).padStart(8, "0")}.seg`;
}

/** A file that takes room and holds nothing of use. */
export interface DamagedFile {
  readonly path: string;
  readonly sizeBytes: number;
}

/**
 * Renames what cannot be read, for people to look at, so that it never stands in the way of a start. Only the few
 * newest such files are kept. Returns all that are there.
 */
export function setAside(files: FileLayer, folder: string, names: readonly string[]): DamagedFile[] {
  for (const name of names) files.rename(`${folder}/${name}`, `${folder}/${name}.damaged`);
  const fresh = new Set(names.map((name) => `${name}.damaged`));
  const present = files.list(folder).filter((name) => DAMAGED.test(name));
  const kept = present.sort((a, b) => Number(fresh.has(b)) - Number(fresh.has(a)) || b.localeCompare(a));
  for (const name of kept.splice(DAMAGED_MAX)) files.remove(`${folder}/${name}`);
  return kept.map((name) => ({ path: `${folder}/${name}`, sizeBytes: sizeOf(files, `${folder}/${name}`) }));
}

function sizeOf(files: FileLayer, path: string): number {
  const file = files.open(path, "read");
  try {
    return file.sizeBytes();
  } finally {
    file.close();
  }
}
