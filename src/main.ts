#!/usr/bin/env node
import { main } from "./cli/main.ts";

// Whoever reads our output may have seen enough (fieldpost drivers | head). A full disk has not taken all of it.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  process.stderr.write(`fieldpost: stdout: ${error.message}\n`);
  process.exit(1);
});
// Who reads our log may go away; the node goes on.
process.stderr.on("error", () => {});
// No await here: the parts of the bundle import from this module, and would wait for it while it waits for them.
void main(process.argv.slice(2)).then((exitCode) => {
  process.exitCode = exitCode;
});
