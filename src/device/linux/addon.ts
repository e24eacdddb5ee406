import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

declare const watchBrand: unique symbol;
/** A watched descriptor. */
export type Watch = { readonly [watchBrand]: true };

/** The project's own native part, native/fieldpost.c. Its errors are like Node's: `code`, `errno`, `syscall`. */
export interface Addon {
  /** ioctl(2) on a structure, which the kernel reads and writes. */
  ioctl(fd: number, request: number, data: Buffer): number;
  /** Calls back on the event loop while there is something to read; with an error once the descriptor failed. */
  watch(fd: number, ready: (error?: Error) => void): Watch;
  /** Exactly once, and before the descriptor is closed. */
  unwatch(watch: Watch): void;
  /** State of the kernel's clock: adjtimex(2) with nothing to set. `status` holds the STA_ bits. */
  adjtimex(): { readonly state: number; readonly status: number; readonly maxErrorUs: number };
  /** One datagram to the service manager (sd_notify(3)); false where none listens. */
  sdNotify(text: string): boolean;
}

/** Beside the bundle or, where npm compiled it, beside the bundle's folder; in the source tree three levels up. */
const FOLDERS = import.meta.url.endsWith(".ts") ? ["../../../native/build"] : ["native", "../native/build"];

const NAME = `${process.platform}-${process.arch}/fieldpost.node`;

let found: Addon | undefined;

/** Loads the native part, once. Throws an error that says what to do where it is missing or does not load. */
export function loadAddon(): Addon {
  found ??= load();
  return found;
}

/** As {@link loadAddon}; undefined where that would throw. */
export function findAddon(): Addon | undefined {
  try {
    return loadAddon();
  } catch {
    return undefined;
  }
}

function load(): Addon {
  const paths = FOLDERS.map((folder) => fileURLToPath(new URL(`${folder}/${NAME}`, import.meta.url)));
  const path = paths.find((candidate) => existsSync(candidate));
  if (path !== undefined) return createRequire(import.meta.url)(path);
  throw new Error(`the native part ${NAME} is missing: npm rebuild fieldpost (needs a C compiler)`);
}
