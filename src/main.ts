#!/usr/bin/env node
import { main } from "./cli/main.ts";

// Whoever reads our output may have seen enough (fieldpost drivers | head).
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});
// Who reads our log may go away; the node goes on.
process.stderr.on("error", () => {});
// No await here: the parts of the bundle import from this module, and would wait for it while it waits for them.
void main(process.argv.slice(2)).then((exitCode) => {
  process.exitCode = exitCode;
});
