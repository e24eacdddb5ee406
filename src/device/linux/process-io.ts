import { readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Bytes that this process has caused to be written to storage, by the kernel's own account: `write_bytes` of
 * proc_pid_io(5). Counts pages as they become dirty, so that a page written over before it reaches the medium counts
 * once; what goes to a tmpfs does not count, and neither does the file system's journal. Undefined where the kernel
 * keeps no such account.
 */
export function writtenBytes(root = "/"): number | undefined {
  try {
    const [, bytes] = /^write_bytes: (\d+)$/m.exec(readFileSync(join(root, "proc/self/io"), "utf8")) ?? [];
    return bytes === undefined ? undefined : Number(bytes);
  } catch {
    return undefined;
  }
}
