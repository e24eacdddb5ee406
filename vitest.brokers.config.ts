import { defineConfig } from "vitest/config";

/** The program with brokers of several makers: see docs/brokers.md. */
export default defineConfig({
  test: {
    include: ["test/brokers/**/*.test.ts"],
    globalSetup: ["test/brokers/setup.ts"],
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 300_000,
  },
});
