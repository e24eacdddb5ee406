import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";
import "./guest.ts";

/** Builds the kernel where that has not been done yet, and tells the tests where it is. */
export default function setup(project: TestProject): void {
  const script = fileURLToPath(new URL("build-kernel.sh", import.meta.url));
  const folder = execFileSync("bash", [script], { stdio: ["ignore", "pipe", "inherit"], encoding: "utf8" });
  project.provide("kernel", folder.trim());
}
