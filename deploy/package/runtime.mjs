// Node.js itself, from the registry: binary and headers, pinned by version and checksum, kept in a cache outside the
// checkout. The packages are repacks of the Node.js project's own builds by a third party; the checksum holds them still.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** @typedef {{ package: string, version: string, integrity: string }} Pinned */

/** @type {Readonly<Record<string, Pinned>>} */
export const pinned = JSON.parse(
  readFileSync(fileURLToPath(new URL("runtimes.json", import.meta.url)), "utf8"),
);

const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "fieldpost", "runtimes");

/**
 * @param {string} name a key of runtimes.json
 * @returns {string} the folder that holds bin/node, include/node and LICENSE
 */
export function runtime(name) {
  const wanted = pinned[name];
  if (!wanted) throw new Error(`runtimes.json has no "${name}"`);
  const folder = join(cache, `${wanted.package}-${wanted.version}`);
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, "fetching-"));
  try {
    process.stderr.write(`fetching ${wanted.package} ${wanted.version}\n`);
    const printed = execFileSync(
      "npm",
      ["pack", "--silent", "--pack-destination", work, `${wanted.package}@${wanted.version}`],
      { encoding: "utf8" },
    );
    const tarball = join(work, printed.trim().split("\n").at(-1) ?? "");
    const integrity = `sha512-${createHash("sha512").update(readFileSync(tarball)).digest("base64")}`;
    if (integrity !== wanted.integrity)
      throw new Error(`${wanted.package} ${wanted.version} is not what runtimes.json pins: ${integrity}`);
    execFileSync("tar", [
      "-xzf",
      tarball,
      "-C",
      work,
      "package/bin/node",
      "package/include",
      "package/LICENSE",
    ]);
    renameSync(join(work, "package"), folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return folder;
}
