// Compiles the native parts for another machine, with Debian's cross compilers.
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runtime } from "./runtime.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const require = createRequire(import.meta.url);

/**
 * A Debian architecture, and what the tools call it.
 * @typedef {{ debian: string, node: string, triplet: string }} Machine
 */

/** @type {readonly Machine[]} */
export const machines = [
  { debian: "arm64", node: "arm64", triplet: "aarch64-linux-gnu" },
  { debian: "armhf", node: "arm", triplet: "arm-linux-gnueabihf" },
  { debian: "amd64", node: "x64", triplet: "x86_64-linux-gnu" },
];

/** Headers by the version of Node's binary interface (process.versions.modules): where to find them. */
const ABIS = { 115: "20.19", 127: "22", 137: "amd64", 147: "26" };

/** C++ parts, whose binaries serve one version of that interface only. */
const PER_ABI = [
  { package: "i2c-bus", source: "src/i2c.cc", output: "i2c.node", name: "i2c" },
  { package: "epoll", source: "src/epoll.cc", output: "epoll.node", name: "epoll" },
];

/**
 * Fills `folder` with `linux-ARCH/fieldpost.node` and `linux-ARCH-ABI/*.node`. The headers declare the same for every
 * machine, so those of x64 serve all.
 * @param {Machine} machine
 * @param {string} folder
 */
export function compileNativeParts(machine, folder) {
  const own = join(folder, `linux-${machine.node}`);
  compile(`${machine.triplet}-gcc`, machine, own, "fieldpost.node", [
    `-I${join(runtime("20.19"), "include/node")}`,
    join(root, "native/fieldpost.c"),
  ]);
  const nan = dirname(require.resolve("nan/package.json"));
  for (const [abi, name] of Object.entries(ABIS)) {
    const standard = Number(abi) >= 127 ? "-std=gnu++20" : "-std=gnu++17";
    for (const part of PER_ABI) {
      compile(`${machine.triplet}-g++`, machine, join(folder, `linux-${machine.node}-${abi}`), part.output, [
        standard,
        `-DNODE_GYP_MODULE_NAME=${part.name}`,
        "-DBUILDING_NODE_EXTENSION",
        "-D_FILE_OFFSET_BITS=64",
        "-fno-rtti",
        "-fno-exceptions",
        "-w",
        `-I${join(runtime(name), "include/node")}`,
        `-I${nan}`,
        join(dirname(require.resolve(`${part.package}/package.json`)), part.source),
      ]);
    }
  }
}

/**
 * @param {string} compiler
 * @param {Machine} machine
 * @param {string} folder
 * @param {string} output
 * @param {readonly string[]} rest
 */
function compile(compiler, machine, folder, output, rest) {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, output);
  // No path of this machine in what is shipped: the same sources give the same bytes everywhere.
  const same = [`-ffile-prefix-map=${root}=.`, "-Wl,--build-id=none"];
  execFileSync(
    compiler,
    ["-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-Wl,-z,relro,-z,now", ...same, ...rest, "-o", file],
    { cwd: root, stdio: ["ignore", "ignore", "inherit"] },
  );
  execFileSync(`${machine.triplet}-strip`, ["--strip-unneeded", file]);
}
