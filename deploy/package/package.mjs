// npm run package [-- --arch arm64,armhf,amd64 --out FOLDER --version X.Y.Z --fast]
//
// Makes Debian packages for every architecture, on any x86-64 Debian:
//   fieldpost      with its own Node.js (arm64, amd64)
//   fieldpost-app  for the system's Node.js (arm64, armhf, amd64)
// The same sources give the same bytes. --fast packs in seconds, and larger.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { compileNativeParts, machines } from "./native.mjs";
import { pinned, runtime } from "./runtime.mjs";

/** @typedef {import("./native.mjs").Machine} Machine */

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, "../..");
const project = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

const { values } = parseArgs({
  options: {
    arch: { type: "string", default: "arm64,armhf,amd64" },
    out: { type: "string", default: join(root, "packages") },
    version: { type: "string", default: project.version },
    fast: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

/** ABI of the Node.js that comes with the package "fieldpost". */
const BUNDLED_ABI = 137;
const bundledWith = new Set(["arm64", "amd64"]);
const HOME = "usr/lib/fieldpost";

const wanted = values.arch.split(",").map((name) => {
  const machine = machines.find(({ debian }) => debian === name);
  if (!machine)
    throw new Error(`--arch ${name}: expected some of ${machines.map(({ debian }) => debian).join(", ")}`);
  return machine;
});
if (values.help) {
  process.stdout.write(
    "npm run package -- [--arch arm64,armhf,amd64] [--out FOLDER] [--version X.Y.Z] [--fast]\n",
  );
} else {
  await packageAll();
}

async function packageAll() {
  needCompilers();
  const epoch = sourceDate();
  mkdirSync(values.out, { recursive: true });
  process.env["FIELDPOST_VERSION"] = values.version;
  await import("../../build.mjs");
  const work = mkdtempSync(join(tmpdir(), "fieldpost-package-"));
  try {
    for (const machine of wanted) {
      say(`${machine.debian}: compiling the native parts`);
      const native = join(work, "native", machine.debian);
      compileNativeParts(machine, native);
      for (const withNode of [true, false]) {
        if (withNode && !bundledWith.has(machine.debian)) continue;
        const file = makePackage({ machine, withNode, native, work, epoch });
        say(`${file} (${(statSync(file).size / 1e6).toFixed(1)} MB)`);
        process.stdout.write(`${file}\n`);
      }
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** @param {string} text */
function say(text) {
  process.stderr.write(`package: ${text}\n`);
}

/** Installs what is missing where it may; elsewhere it names it. */
function needCompilers() {
  const missing = wanted.flatMap(({ triplet }) => {
    if (commandExists(`${triplet}-g++`)) return [];
    return [triplet === "x86_64-linux-gnu" ? "g++" : `g++-${triplet}`];
  });
  if (missing.length === 0) return;
  const install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", ...missing];
  if (process.getuid?.() !== 0 || !commandExists("apt-get"))
    throw new Error(`missing compilers; as root on Debian: ${install.join(" ")}`);
  say(`installing ${missing.join(" ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  execFileSync("apt-get", ["update", "-qq"], { env, stdio: ["ignore", "ignore", "inherit"] });
  execFileSync(install[0] ?? "", install.slice(1), { env, stdio: ["ignore", "ignore", "inherit"] });
}

/** @param {string} name */
function commandExists(name) {
  return (process.env["PATH"] ?? "").split(":").some((folder) => existsSync(join(folder, name)));
}

/** Seconds since 1970 that every file in the package bears (reproducible-builds.org, SOURCE_DATE_EPOCH). */
function sourceDate() {
  if (process.env["SOURCE_DATE_EPOCH"]) return Number(process.env["SOURCE_DATE_EPOCH"]);
  try {
    const options = /** @type {const} */ ({
      cwd: root,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    return Number(execFileSync("git", ["log", "-1", "--format=%ct"], options));
  } catch {
    // Not a checkout.
    return Math.floor(statSync(join(root, "CHANGELOG.md")).mtimeMs / 1000);
  }
}

/**
 * @param {{ machine: Machine, withNode: boolean, native: string, work: string, epoch: number }} what
 * @returns {string} the package's file
 */
function makePackage({ machine, withNode, native, work, epoch }) {
  const name = withNode ? "fieldpost" : "fieldpost-app";
  const tree = join(work, `${name}-${machine.debian}`);
  const put = (/** @type {string} */ from, /** @type {string} */ to, mode = 0o644) => {
    mkdirSync(dirname(join(tree, to)), { recursive: true });
    cpSync(from, join(tree, to), { recursive: true });
    if (!statSync(from).isDirectory()) chmodSync(join(tree, to), mode);
  };
  for (const file of readdirSync(join(root, "dist")).filter(isShipped))
    put(join(root, "dist", file), `${HOME}/${file}`);
  for (const folder of readdirSync(native)) {
    const abi = /-(\d+)$/.exec(folder)?.[1];
    if (!withNode || abi === undefined || Number(abi) === BUNDLED_ABI)
      put(join(native, folder), `${HOME}/native/${folder}`);
  }
  if (withNode) {
    const node = runtime(machine.debian);
    put(join(node, "bin/node"), `${HOME}/node`, 0o755);
    execFileSync(`${machine.triplet}-strip`, [join(tree, HOME, "node")]);
  }
  const own = join(here, "root");
  put(join(own, "fieldpost"), "usr/bin/fieldpost", 0o755);
  put(join(root, "deploy/fieldpost.service"), "usr/lib/systemd/system/fieldpost.service");
  put(join(own, "sysusers.conf"), "usr/lib/sysusers.d/fieldpost.conf");
  put(join(own, "modules-load.conf"), "usr/lib/modules-load.d/fieldpost.conf");
  put(join(own, "60-fieldpost.rules"), "usr/lib/udev/rules.d/60-fieldpost.rules");
  put(join(own, "journald.conf"), "usr/lib/systemd/journald.conf.d/50-fieldpost.conf");
  put(join(own, "watchdog.conf"), "usr/lib/systemd/system.conf.d/50-fieldpost.conf");
  documents({ tree, put, withNode, name, machine, epoch });
  for (const script of ["postinst", "prerm", "postrm"]) put(join(own, script), `DEBIAN/${script}`, 0o755);
  writeFileSync(join(tree, "DEBIAN/control"), control({ name, machine, withNode, kib: sizeKib(tree) }));
  return pack(tree, join(resolve(values.out), `${name}_${values.version}_${machine.debian}.deb`), epoch);
}

/**
 * What a device has no use for stays out: maps, the demo, the library.
 * @param {string} file
 */
function isShipped(file) {
  return /^(fieldpost|part-.*)\.js$/.test(file) || file === "package.json";
}

/** @param {{ tree: string, put: (from: string, to: string) => void, withNode: boolean, name: string, machine: Machine, epoch: number }} what */
function documents({ tree, put, withNode, name, machine, epoch }) {
  const folder = `usr/share/doc/${name}`;
  const licences = [
    ["Fieldpost", readFileSync(join(root, "LICENSE"), "utf8")],
    [
      "What is bundled with it. On Debian the Apache License 2.0 is also in /usr/share/common-licenses/Apache-2.0.",
      readFileSync(join(root, "dist/licences.txt"), "utf8"),
    ],
    ...(withNode
      ? [
          [
            `Node.js ${pinned[machine.debian]?.version}`,
            readFileSync(join(runtime(machine.debian), "LICENSE"), "utf8"),
          ],
        ]
      : []),
  ];
  put(join(root, "README.md"), `${folder}/README.md`);
  put(join(root, "docs"), `${folder}/docs`);
  put(join(root, "deploy/fieldpost.service"), `${folder}/examples/fieldpost.service`);
  writeFileSync(
    join(tree, folder, "copyright"),
    licences.map(([what, text]) => `${what}\n\n${text}`).join("\n\n"),
  );
  const date = new Date(epoch * 1000).toUTCString().replace("GMT", "+0000");
  const entry = `${name} (${values.version}) stable; urgency=medium\n\n  * See README.md and the project's CHANGELOG.\n\n -- Fieldpost <packages@fieldpost.example>  ${date}\n`;
  writeFileSync(join(tree, folder, "changelog.gz"), gzipSync(entry, { level: 9 }));
  if (!withNode) return;
  const overrides = [
    "# Node.js is built by its own project, with its own libraries inside.",
    "fieldpost: embedded-library",
    "fieldpost: statically-linked-binary",
    "fieldpost: hardening-no-pie",
    "fieldpost: hardening-no-bindnow",
    "fieldpost: unstripped-binary-or-object",
    "# Its licence brings the texts of those libraries, word for word.",
    "fieldpost: copyright-file-contains-full-apache-2-license",
    "fieldpost: copyright-not-using-common-license-for-gpl",
  ];
  mkdirSync(join(tree, "usr/share/lintian/overrides"), { recursive: true });
  writeFileSync(join(tree, "usr/share/lintian/overrides", name), `${overrides.join("\n")}\n`);
}

/** @param {{ name: string, machine: Machine, withNode: boolean, kib: number }} what */
function control({ name, machine, withNode, kib }) {
  const other = withNode ? "fieldpost-app" : "fieldpost";
  const node = withNode
    ? "libc6 (>= 2.28), libstdc++6, libgcc-s1"
    : `nodejs (>= ${project.engines.node.replace(">=", "")}), libc6 (>= 2.17), libstdc++6`;
  return [
    `Package: ${name}`,
    `Version: ${values.version}`,
    `Architecture: ${machine.debian}`,
    "Maintainer: Fieldpost <packages@fieldpost.example>",
    "Section: net",
    "Priority: optional",
    `Installed-Size: ${kib}`,
    `Depends: ${node}, systemd (>= 249), init-system-helpers (>= 1.54)`,
    `Conflicts: ${other}`,
    `Replaces: ${other}`,
    ...(withNode ? ["Provides: fieldpost-app"] : []),
    "Description: Unattended MQTT telemetry node for small boards",
    " Reads GPIO, I2C, 1-Wire and kernel sensors, publishes over MQTT, keeps every",
    " record on disk until the broker has acknowledged it, and switches outputs",
    " behind a guard.",
    withNode ? " This package brings its own Node.js." : " This package uses the system's Node.js.",
    "",
  ].join("\n");
}

/** @param {string} folder */
function sizeKib(folder) {
  return filesBelow(folder).reduce((sum, file) => sum + Math.ceil(statSync(file).size / 1024), 0);
}

/**
 * @param {string} tree
 * @param {string} file
 * @param {number} epoch
 */
function pack(tree, file, epoch) {
  for (const folder of [tree, ...foldersBelow(tree)]) chmodSync(folder, 0o755);
  const sums = filesBelow(tree)
    .filter((path) => !path.startsWith(join(tree, "DEBIAN/")))
    .map((path) => path.slice(tree.length + 1));
  const md5 = execFileSync("md5sum", sums, { cwd: tree });
  writeFileSync(join(tree, "DEBIAN/md5sums"), md5, { mode: 0o644 });
  for (const path of [tree, ...foldersBelow(tree), ...filesBelow(tree)]) lutimesSync(path, epoch, epoch);
  // One thread: how many there are would show in the bytes.
  const how = values.fast ? ["-Zgzip", "-z1"] : ["-Zxz", "--threads-max=1"];
  execFileSync("dpkg-deb", ["--root-owner-group", ...how, "--build", tree, file], {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(epoch) },
    stdio: ["ignore", "ignore", "inherit"],
  });
  rmSync(tree, { recursive: true });
  return file;
}

/** @param {string} folder */
function filesBelow(folder) {
  return below(folder).filter((path) => !statSync(path).isDirectory());
}

/** @param {string} folder */
function foldersBelow(folder) {
  return below(folder).filter((path) => statSync(path).isDirectory());
}

/** @param {string} folder */
function below(folder) {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .sort()
    .map((path) => join(folder, path));
}
