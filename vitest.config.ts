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
    // Modules are what Node makes of them; without a proxy around each of Node's own, for which every call pays.
    deps: { interopDefault: false },
    // Many tests wait more than they work: no processor is left idle meanwhile.
    maxWorkers: availableParallelism() + 1,
    // Ends what hangs. It is no measure of speed: machines are busy with other things, ten times over.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
