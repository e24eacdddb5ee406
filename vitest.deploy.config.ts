import { defineConfig } from "vitest/config";

/** What is installed on a device: packages, runtimes, the unit. See test/deploy/README.md. */
export default defineConfig({
  test: {
    include: ["test/deploy/**/*.test.ts"],
    globalSetup: ["test/deploy/setup.ts"],
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 300_000,
  },
});
