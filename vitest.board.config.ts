import { defineConfig } from "vitest/config";

/** The packaged program on emulated boards: see test/board/README.md. */
export default defineConfig({
  test: {
    include: ["test/board/**/*.test.ts"],
    // One story: what follows a failure fails too, and slowly.
    bail: 1,
    // One emulated board at a time: each wants both processors.
    fileParallelism: false,
    testTimeout: 600_000,
    hookTimeout: 600_000,
  },
});
