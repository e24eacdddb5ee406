import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  // What a user imports as "fieldpost" is this package's own source.
  resolve: { alias: { fieldpost: fileURLToPath(new URL("./src/index.ts", import.meta.url)) } },
  test: {
    include: ["test/**/*.test.ts", "docs/examples/**/*.test.ts"],
    // They need a kernel, packages or a machine of their own: npm run test:hardware, test:deploy, test:brokers, test:board.
    exclude: ["test/hardware/**", "test/deploy/**", "test/brokers/**", "test/board/**"],
    globalSetup: ["test/build-once.ts"],
    setupFiles: ["test/each-file.ts"],
    isolate: false,
    // Many tests wait more than they work: a machine of two processors is not left half idle.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 20_000,
    hookTimeout: 30_000,
  },
});
