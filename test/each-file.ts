import { afterAll, expect, vi } from "vitest";

// The files share a worker's process: to start one costs more than most files do. No file may notice. So each reads
// every module anew, and has to leave the process as it found it.
vi.resetModules();

const found = processState();
// What was ended a moment ago may still be ending.
afterAll(() =>
  vi.waitFor(() => expect(processState(), "a test file leaves the process as it found it").toEqual(found), {
    timeout: 10_000,
  }),
);

function processState() {
  return {
    folder: process.cwd(),
    umask: process.umask(),
    environment: { ...process.env },
    // They would swallow what a later file breaks on.
    catchers: ["uncaughtException", "unhandledRejection"].map((name) => process.listenerCount(name)),
    // Servers, child processes and watched files that nobody ended. A socket to a peer that went dumb may stay.
    held: process
      .getActiveResourcesInfo()
      .filter((kind) => /^((TCP|Pipe)ServerWrap|UDPWrap|ProcessWrap|FSEventWrap)$/.test(kind))
      .sort(),
  };
}
