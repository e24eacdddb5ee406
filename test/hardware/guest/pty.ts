import { execFileSync } from "node:child_process";
import { closeSync, constants, existsSync, mkdirSync, openSync, readSync, writeSync } from "node:fs";
import { addon } from "./native.ts";

/** ioctl requests of a pseudo-terminal's master (include/uapi/asm-generic/ioctls.h). */
const TIOCSPTLCK = 0x40045431;
const TIOCGPTN = 0x80045430;

/** A pair of serial ports joined back to back: the program opens the one, the test is the chip at the other. */
export interface Pty {
  /** `/dev/pts/0` */
  readonly path: string;
  say(bytes: readonly number[]): void;
  /** Calls back with what the program writes. */
  hear(heard: (bytes: Uint8Array) => void): void;
  /** The adapter is pulled out. */
  unplug(): void;
}

export function openPty(): Pty {
  mountOnce();
  const master = openSync("/dev/ptmx", constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
  const word = Buffer.alloc(4);
  addon.ioctl(master, TIOCSPTLCK, word);
  addon.ioctl(master, TIOCGPTN, word);
  let stop = () => {};
  return {
    path: `/dev/pts/${word.readInt32LE()}`,
    say: (bytes) => void writeSync(master, Uint8Array.from(bytes)),
    hear(heard) {
      const buffer = Buffer.alloc(256);
      const watch = addon.watch(master, (error) => {
        // EIO: nobody has the other end open.
        if (error) return;
        try {
          heard(Uint8Array.from(buffer.subarray(0, readSync(master, buffer))));
        } catch {}
      });
      stop = () => addon.unwatch(watch);
    },
    unplug() {
      stop();
      closeSync(master);
    },
  };
}

/** The file system in which the program's ends appear. */
function mountOnce(): void {
  if (existsSync("/dev/pts/ptmx")) return;
  mkdirSync("/dev/pts", { recursive: true });
  execFileSync("mount", ["-t", "devpts", "pts", "/dev/pts"]);
}
