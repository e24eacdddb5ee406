// Compiles native/fieldpost.c into native/build/<platform>-<arch>/fieldpost.node. npm runs it after an installation, and
// it never fails one: where it cannot compile, it says what will be missing. Node-API keeps its word from one version of
// Node.js to the next, so headers of any version will do.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const { env, execPath, versions } = process;
const native = fileURLToPath(new URL("../native", import.meta.url));

const problem = build();
if (problem) {
  process.stderr.write(
    `fieldpost: native part not built (${problem}): GPIO goes through sysfs, without pulls and counts of missed edges\n`,
  );
}

/** @returns {string | undefined} why not */
function build() {
  if (process.platform !== "linux") return "for Linux only";
  const headers = headerFolders().find((folder) => existsSync(join(folder, "node_api.h")));
  if (!headers) return "no headers of Node.js: install them, or name their folder as npm_config_nodedir";

  const folder = join(native, "build", `${process.platform}-${process.arch}`);
  mkdirSync(folder, { recursive: true });
  const part = join(folder, "fieldpost.node");
  // Never written in place: a process may be running it.
  const fresh = `${part}.${process.pid}`;
  for (const compiler of env["CC"] ? [env["CC"]] : ["cc", "gcc", "clang"]) {
    // As in a makefile, it may come with arguments: "ccache gcc".
    const [program = "", ...first] = compiler.split(" ");
    const { error, status, stderr } = spawnSync(
      program,
      [
        ...first,
        "-O2",
        "-fPIC",
        "-shared",
        "-fvisibility=hidden",
        "-Wall",
        "-Wextra",
        "-s",
        `-I${headers}`,
      ].concat("-o", fresh, join(native, "fieldpost.c")),
      { encoding: "utf8" },
    );
    if (error) continue;
    if (status === 0) {
      renameSync(fresh, part);
      return undefined;
    }
    rmSync(fresh, { force: true });
    return `${compiler}: ${stderr.split("\n").find((line) => line.includes("error")) ?? `status ${status}`}`;
  }
  return "no C compiler";
}

/** Where headers may be: where npm was told, beside this Node, where distributions put them, where node-gyp did. */
function headerFolders() {
  const cache =
    env["npm_config_devdir"] ?? join(env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "node-gyp");
  return [
    ...(env["npm_config_nodedir"] ? [join(env["npm_config_nodedir"], "include/node")] : []),
    join(dirname(execPath), "../include/node"),
    "/usr/include/node",
    join(cache, versions.node, "include/node"),
  ];
}
