const IN_THE_WAY = "a file or a broken link is in the way";
const FORBIDDEN = "this user may not write there";
const REASONS: Readonly<Record<string, string>> = {
  EEXIST: IN_THE_WAY,
  ENOTDIR: IN_THE_WAY,
  EACCES: FORBIDDEN,
  EPERM: FORBIDDEN,
  EROFS: "the disk is read-only",
  ENOSPC: "the disk is full",
};

/** Why a node cannot have its outbox, in words for people: what the system says names no setting, and often no folder. */
export function folderError(path: string, cause: unknown): unknown {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  if (code === undefined) return cause;
  return new Error(`buffer.path: cannot use ${path}: ${REASONS[code] ?? code}`, { cause });
}
