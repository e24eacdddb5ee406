import { defineConfig } from "vitest/config";

/** The tests against a real kernel: see test/hardware/README.md. */
export default defineConfig({
  test: {
    include: ["test/hardware/**/*.test.ts"],
    globalSetup: ["test/build-once.ts", "test/hardware/setup.ts"],
    // A guest is a process with a timer tick: more of them at once than processors, and their time is no longer real.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
