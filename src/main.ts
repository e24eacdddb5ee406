import { main } from "./cli/main.ts";

// Whoever reads our output may have seen enough (fieldpost drivers | head).
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});
process.exitCode = await main(process.argv.slice(2));
