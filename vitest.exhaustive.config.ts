import { readdirSync, readFileSync } from "node:fs";
import { defineConfig } from "vitest/config";
import everyday from "./vitest.config.ts";

const suites = readdirSync("test", { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".test.ts"))
  .map((name) => `test/${name}`);

/** Everything of the suites of which `npm test` tries out a sample. */
export default defineConfig({
  ...everyday,
  test: {
    ...everyday.test,
    include: suites.filter((suite) => readFileSync(suite, "utf8").includes('/exhaustive.ts"')),
    env: { EXHAUSTIVE: "true" },
    testTimeout: 600_000,
  },
});
