// Compiles the native parts for another machine, with Debian's cross compilers.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync } from "node:fs";
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
  { package: "i2c-bus", name: "i2c", sources: ["i2c"] },
  { package: "epoll", name: "epoll", sources: ["epoll"] },
  {
    package: "spi-device",
    name: "spi",
    sources: ["spi", "spidevice", "open", "close", "transfer", "getoptions", "setoptions"],
  },
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
  // Its package brings it compiled for every board, by Node-API.
  const serialport = `native/linux-${machine.node}/serialport.node`;
  cpSync(join(root, "dist", serialport), join(folder, `linux-${machine.node}`, "serialport.node"));
  const nan = packageFolder("nan");
  for (const [abi, name] of Object.entries(ABIS)) {
    const standard = Number(abi) >= 127 ? "-std=gnu++20" : "-std=gnu++17";
    for (const part of PER_ABI) {
      compile(
        `${machine.triplet}-g++`,
        machine,
        join(folder, `linux-${machine.node}-${abi}`),
        `${part.name}.node`,
        [
          standard,
          `-DNODE_GYP_MODULE_NAME=${part.name}`,
          "-DBUILDING_NODE_EXTENSION",
          "-D_FILE_OFFSET_BITS=64",
          "-fno-rtti",
          "-fno-exceptions",
          "-w",
          `-I${join(runtime(name), "include/node")}`,
          `-I${nan}`,
          ...part.sources.map((source) => join(packageFolder(part.package), "src", `${source}.cc`)),
        ],
      );
    }
  }
}

/** @param {string} name */
function packageFolder(name) {
  return dirname(require.resolve(`${name}/package.json`));
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
