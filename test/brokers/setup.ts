import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** Folder of the unpacked brokers; empty where they cannot be had. */
    readonly brokerPackages: string;
  }
}

/** Fetches the brokers. In CI a missing one is a failure; elsewhere the tests that need one are skipped, each by its name. */
export default function setup(project: TestProject): void {
  const script = fileURLToPath(new URL("setup.sh", import.meta.url));
  const { stdout, status } = spawnSync("bash", [script], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (status !== 0 && process.env["CI"]) throw new Error("the brokers for the tests cannot be had");
  project.provide("brokerPackages", status === 0 ? stdout.trim() : "");
}
