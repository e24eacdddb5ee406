import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Builds the bundle that the whole-process tests run, once for all of them. */
export default function setup(): void {
  const root = fileURLToPath(new URL("..", import.meta.url));
  execFileSync(process.execPath, ["build.mjs"], { cwd: root, stdio: "inherit" });
}
