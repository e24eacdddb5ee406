import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { PEERS_FOLDER } from "./peer.ts";

const LOCKFILE = join(PEERS_FOLDER, "package-lock.json");
/** Put there once all is in place: what an interrupted installation left behind does not count. */
const INSTALLED = join(PEERS_FOLDER, "node_modules/.installed.json");

/** Whether everything is there, as the lockfile has it. */
export function arePeersInstalled(): boolean {
  return existsSync(INSTALLED) && readFileSync(INSTALLED).equals(readFileSync(LOCKFILE));
}

/**
 * Installs what the outbox is compared with, where it is not there yet or no longer what the lockfile says. A native part
 * whose compiled form cannot be had is compiled here, which takes a C++ compiler and some minutes.
 */
export function installPeers(progress: (text: string) => void): void {
  if (arePeersInstalled()) return;
  progress("installing what the outbox is compared with: bench/peers/package.json");
  try {
    execFileSync("npm", ["ci", "--prefix", PEERS_FOLDER, "--no-audit", "--no-fund"], {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, ...nodeHeaders() },
    });
  } catch (error) {
    throw new Error(
      "the peers cannot be installed: npm's words are above. It needs the npm registry, and a C++ compiler (Debian: apt install g++ make python3) where no compiled form is to be had",
      { cause: error },
    );
  }
  copyFileSync(LOCKFILE, INSTALLED);
}

/** The headers that came with this Node, so that compiling needs no download of them. */
function nodeHeaders(): Record<string, string> {
  const folder = dirname(dirname(process.execPath));
  const configured = process.env["npm_config_nodedir"] !== undefined;
  return configured || !existsSync(join(folder, "include/node/node.h")) ? {} : { npm_config_nodedir: folder };
}
