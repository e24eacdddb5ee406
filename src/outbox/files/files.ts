/**
 * How a file is opened.
 * - `read`: must exist
 * - `write`: must exist; read and write
 * - `create`: must not exist; read and write
 * - `append`: made where absent; read, and every write goes to the end, whole, wherever others have moved it to
 */
export type OpenMode = "read" | "write" | "create" | "append";

/** An open file. Every method throws (or rejects with) an `Error` whose `code` is the system's (`EIO`, `ENOSPC`, ...). */
export interface OpenFile {
  sizeBytes(): number;
  /** Fills `into` from `position` on; returns how many bytes there were before the end of the file. */
  read(into: Uint8Array, position: number): number;
  /** Writes the first `lengthBytes` of `bytes`, all of them; the kernel has them when it returns. */
  write(bytes: Uint8Array, lengthBytes: number, position: number): void;
  truncate(sizeBytes: number): void;
  /** fdatasync(2): what was written before the call survives a power cut once this resolves. */
  sync(): Promise<void>;
  /** The same, blocking. */
  syncNow(): void;
  /** Gives the file back, once the syncs under way have ended. */
  close(): void;
}

/** Who may hold a lock: this process, and whether another still runs. */
export interface Processes {
  /** One word that no other process ever has, beginning with its number for people: `1234-567890-9f2c41aa`. */
  readonly self: string;
  isRunning(process: string): boolean;
}

/** The few operations of a file system that the outbox rests on. Paths are absolute or relative to the process. */
export interface FileLayer {
  readonly processes: Processes;
  /** Makes the folder and those above it where absent. */
  makeFolder(path: string): void;
  /** Whether the folder's files live in memory (tmpfs): a killed process leaves them, a power cut does not. */
  isInMemory(path: string): boolean;
  /** Names of what the folder holds, in no order. */
  list(path: string): readonly string[];
  open(path: string, mode: OpenMode): OpenFile;
  /** Replaces `to` where it exists. */
  rename(from: string, to: string): void;
  remove(path: string): void;
  /** Makes the names in a folder survive a power cut. */
  syncFolder(path: string): Promise<void>;
  syncFolderNow(path: string): void;
}

/** Whether `error` came from the file layer; anything else is a mistake in the program. */
export function isFileError(error: unknown): error is Error & { readonly code: string } {
  return error instanceof Error && "code" in error && typeof error.code === "string";
}

/** Whether `error` says that there is no such file or folder. */
export function isAbsent(error: unknown): boolean {
  return isFileError(error) && error.code === "ENOENT";
}

/** What the kernel says where a medium or its file system cannot give back what is there. */
const MEDIUM_ERRORS: ReadonlySet<string> = new Set(["EIO", "EUCLEAN", "EBADMSG", "ENODATA", "EILSEQ"]);

/** Whether `error` says that the bytes are gone; others (no permission, too many open files) say nothing of the bytes. */
export function isMediumError(error: unknown): boolean {
  return isFileError(error) && MEDIUM_ERRORS.has(error.code);
}
