import { readFile, stat } from "node:fs/promises";
import type { Log } from "../log.ts";
import type { ReadFile } from "../mqtt/link/dial.ts";

/** Reads certificates, and warns where a key is open to others: once, until that is mended. */
export function readingKeys(keyPath: string | undefined, log: Log): ReadFile {
  let warned = false;
  return async (path) => {
    if (path === keyPath) {
      const { mode } = await stat(path);
      const open = (mode & OTHERS) !== 0;
      if (open && !warned)
        log.warn("the private key can be read by others than its owner", {
          key: path,
          mend: `chmod 600 ${path}`,
        });
      warned = open;
    }
    return readFile(path);
  };
}

/** What a group may do is its administrator's choice (a key of the group `fieldpost`, say); what everybody may is not. */
const OTHERS = 0o007;
