import { execFileSync } from "node:child_process";
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";
import { BUILT } from "./bundles.ts";
import "./guest.ts";

/** Builds the kernel where that has not been done yet, and takes a copy of the built program. */
export default function setup(project: TestProject): void {
  const script = fileURLToPath(new URL("build-kernel.sh", import.meta.url));
  const folder = execFileSync("bash", [script], { stdio: ["ignore", "pipe", "inherit"], encoding: "utf8" });
  project.provide("kernel", folder.trim());
  // A run of many power cuts takes hours, in which the checkout may be built again.
  rmSync(BUILT, { recursive: true, force: true });
  cpSync(join(fileURLToPath(new URL("../..", import.meta.url)), "dist"), BUILT, { recursive: true });
}
