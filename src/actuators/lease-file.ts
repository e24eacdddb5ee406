import { readFile, rename, writeFile } from "node:fs/promises";
import type { LeaseFile } from "./leases.ts";

/** The leases' file on a real disk. Its folder must exist. Not synced: what it says ends with the kernel's boot. */
export function leaseFileAt(path: string): LeaseFile {
  return {
    async read() {
      try {
        return await readFile(path, "utf8");
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
        throw error;
      }
    },
    async replace(text) {
      await writeFile(`${path}.next`, text, { mode: 0o600 });
      await rename(`${path}.next`, path);
    },
  };
}
