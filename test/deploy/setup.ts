import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** Archive of a Debian 13 root file system, amd64. */
    readonly debianRoot: string;
    /** Folder with the packages of this checkout, and amd64's of the version after it. */
    readonly packages: string;
    readonly version: string;
    readonly nextVersion: string;
  }
}

const root = fileURLToPath(new URL("../..", import.meta.url));

const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  readonly version: string;
};

/** Makes the packages that all tests install. */
export default function setup(project: TestProject): () => void {
  const printed = execFileSync("bash", ["test/deploy/setup.sh"], {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  const packages = mkdtempSync(join(tmpdir(), "fieldpost-packages-"));
  const nextVersion = `${version}+next`;
  const make = (...args: readonly string[]) =>
    execFileSync(process.execPath, ["deploy/package/package.mjs", "--fast", "--out", packages, ...args], {
      cwd: root,
      stdio: ["ignore", "ignore", "inherit"],
    });
  make("--arch", "amd64", "--version", nextVersion);
  // Last, so that what is left in dist is this version.
  make();
  project.provide("debianRoot", printed.trim());
  project.provide("packages", packages);
  project.provide("version", version);
  project.provide("nextVersion", nextVersion);
  return () => rmSync(packages, { recursive: true, force: true });
}
