import { defineConfig } from "vitest/config";

/** The packaged program on an emulated Raspberry Pi: see test/hardware/README.md. */
export default defineConfig({
  test: {
    include: ["test/board/**/*.test.ts"],
    // One story: what follows a failure fails too, and slowly.
    bail: 1,
    testTimeout: 200_000,
    hookTimeout: 600_000,
  },
});
