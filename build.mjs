// Builds what is shipped:
//   dist/fieldpost.js   the device bundle: all that every node runs, in one minified ESM file
//   dist/part-*.js      what only some nodes or some commands want; a dynamic import loads it
//   dist/licences.txt   of everything that is in them
//   dist/native/        the native parts beside it, by platform and architecture, and by ABI where they depend on it
//   dist/demo.js        the demo, with its embedded broker; never on a device
//   dist/index.js       the library; its dependencies come from node_modules
// `node build.mjs --metafile` also writes dist/meta.json, which says what each byte of the bundle is.
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { licencesOf } from "./scripts/licences.mjs";

const root = dirname(fileURLToPath(import.meta.url));
const outdir = join(root, "dist");
const { version } = process.env["FIELDPOST_VERSION"]
  ? { version: process.env["FIELDPOST_VERSION"] }
  : JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const require = createRequire(import.meta.url);

// What MQTT.js and its packages load but a node never uses, and copies of what Node has itself.
const replaced = {
  "worker-timers": `
    exports.setTimeout = setTimeout; exports.clearTimeout = clearTimeout;
    exports.setInterval = setInterval; exports.clearInterval = clearInterval;`,
  socks: "exports.SocksClient = class {};",
  debug: `
    const silent = () => {};
    silent.enabled = false; silent.extend = () => silent;
    module.exports = () => silent; module.exports.default = module.exports; module.exports.enable = silent;`,
  "readable-stream": 'module.exports = require("node:stream");',
  buffer: 'module.exports = require("node:buffer");',
  // Node's own brings a diff of everything that could be compared; an invariant needs a message.
  assert: `
    const assert = (ok, message) => { if (!ok) throw message instanceof Error ? message : new Error(message ?? "assertion failed"); };
    module.exports = Object.assign(assert, { ok: assert, strict: assert });`,
  events: 'module.exports = require("node:events");',
  string_decoder: 'module.exports = require("node:string_decoder");',
  "process-nextick-args": "exports.nextTick = process.nextTick;",
  // The list of buffers alone, not the stream around it.
  bl: `module.exports = require(${JSON.stringify(require.resolve("bl/BufferList.js"))});`,
  // MQTT.js keeps a copy of what it changes before it sends it: a topic becomes an alias, and a property says which.
  "rfdc/default":
    "module.exports = (packet) => ({ ...packet, ...(packet.properties && { properties: { ...packet.properties } }) });",
  "abort-controller": "exports.AbortController = AbortController; exports.AbortSignal = AbortSignal;",
  // The client alone: our own code dials, so MQTT.js's transports stay out.
  mqtt: `exports.MqttClient = require(${JSON.stringify(require.resolve("mqtt/lib/client"))}).default;`,
  // A client of WebSockets, not the server.
  ws: `
    module.exports = require(${JSON.stringify(join(dirname(require.resolve("ws")), "lib/websocket.js"))});
    module.exports.createWebSocketStream =
      require(${JSON.stringify(join(dirname(require.resolve("ws")), "lib/stream.js"))});`,
  // Remembers which topic has which alias; the least recently used one is given up first.
  "lru-cache": `
    exports.LRUCache = class extends Map {
      constructor({ max }) { super(); this.max = max; }
      get(key) { const value = super.get(key); if (super.delete(key)) super.set(key, value); return value; }
      set(key, value) { super.delete(key); if (this.size >= this.max) super.delete(super.keys().next().value); return super.set(key, value); }
      keys() { return [...super.keys()].reverse().values(); }
    };`,
};

// WebSockets carry MQTT packets of a few hundred bytes: compressing them is not offered (RFC 7692 is an option).
const noDeflate = `module.exports = class { static get extensionName() { return "permessage-deflate"; } };`;

// Of `js-yaml`, a node uses the parser and what resolves the core schema's scalars; its bundle names its parts.
const usedYaml =
  /^src\/(tag\.ts|tag\/scalar\/\w+_core\.ts|common\/exception\.ts|parser\/(events|parser_scalar|parser)\.ts)$/;

/** @type {import("esbuild").Plugin} */
const lean = {
  name: "lean",
  setup(build) {
    const names = Object.keys(replaced).map((name) => `${name}/?`);
    build.onResolve({ filter: new RegExp(`^(${names.join("|")}|node:assert)$`) }, (args) => ({
      path: args.path.replace(/^node:|\/$/g, ""),
      namespace: "lean",
    }));
    build.onLoad({ filter: /.*/, namespace: "lean" }, (args) => ({
      contents: replaced[/** @type {keyof typeof replaced} */ (args.path)],
      loader: "js",
      resolveDir: root,
    }));
    build.onLoad({ filter: /js-yaml\.mjs$/ }, ({ path }) => ({
      contents: usedPartsOfYaml(readFileSync(path, "utf8")),
    }));
    build.onLoad({ filter: /mqtt[\\/]package\.json$/ }, ({ path }) => ({
      contents: JSON.stringify({ version: JSON.parse(readFileSync(path, "utf8")).version }),
      loader: "json",
    }));
    build.onLoad({ filter: /ws[\\/]lib[\\/]permessage-deflate\.js$/ }, () => ({ contents: noDeflate }));
  },
};

// `bindings` walks the stack and package.json files to find a native part, which fails inside a bundle.
/** @type {import("esbuild").Plugin} */
const native = {
  name: "native",
  setup(build) {
    build.onResolve({ filter: /^bindings$/ }, (args) => ({ path: args.path, namespace: "native" }));
    build.onLoad({ filter: /.*/, namespace: "native" }, () => ({
      contents: `
        const { dirname, join } = require("node:path");
        const { fileURLToPath } = require("node:url");
        const packages = { "i2c.node": "i2c-bus", "epoll.node": "epoll", "spi.node": "spi-device" };
        const folder = \`\${process.platform}-\${process.arch}-\${process.versions.modules}\`;
        module.exports = (name) => {
          const part = name.replace(/(\\.node)?$/, ".node");
          const beside = join(dirname(fileURLToPath(__bundleUrl)), "native", folder, part);
          const loaded = { exports: {} };
          try {
            process.dlopen(loaded, beside);
          } catch (error) {
            // Installed from npm on another machine than it was built on: npm has compiled it there.
            try {
              process.dlopen(loaded, join(dirname(require.resolve(packages[part] + "/package.json")), "build/Release", part));
            } catch {
              throw error;
            }
          }
          return loaded.exports;
        };`,
      loader: "js",
    }));
    // serialport's part comes compiled and by Node-API, so that one does for every version of Node; its package stays
    // away on a device, and so does what looks for it there.
    build.onResolve({ filter: /^node-gyp-build$/ }, (args) => ({ path: args.path, namespace: "prebuilt" }));
    build.onLoad({ filter: /.*/, namespace: "prebuilt" }, () => ({
      contents: `
        const { dirname, join } = require("node:path");
        const { fileURLToPath } = require("node:url");
        module.exports = () =>
          require(join(dirname(fileURLToPath(__bundleUrl)), "native", \`\${process.platform}-\${process.arch}\`, "serialport.node"));`,
      loader: "js",
    }));
    build.onLoad({ filter: /bindings-cpp[\\/]dist[\\/]serialport-bindings\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, "utf8").replace("__dirname", '"."'),
    }));
    // Optional dependencies that could not be installed stay outside; the board reports them when they are needed.
    build.onResolve({ filter: /^(i2c-bus|onoff|spi-device|@serialport\/bindings-cpp)$/ }, (args) =>
      args.pluginData === "checked" || isInstalled(args.path)
        ? undefined
        : { path: args.path, external: true },
    );
  },
};

/**
 * The parts of js-yaml's one file that are used. An error there shows the source around it; ours do that themselves.
 * @param {string} source
 */
function usedPartsOfYaml(source) {
  const parts = [...source.matchAll(/^\/\/#region (\S+)\n([\s\S]*?)^\/\/#endregion$/gm)];
  const used = parts.filter(([, name = ""]) => usedYaml.test(name)).map(([, , text]) => text);
  const exported =
    "EVENT_ID SCALAR_STYLE COLLECTION_STYLE NOT_RESOLVED YAMLException parseEvents getScalarValue";
  const tags = "nullCoreTag boolCoreTag intCoreTag floatCoreTag";
  const names = `${exported} ${tags}`.split(" ").join(", ");
  return [...used, "const makeSnippet = () => null;", `export { ${names} };`].join("\n");
}

/** @param {string} name */
function isInstalled(name) {
  try {
    require.resolve(name);
    return true;
  } catch {
    return false;
  }
}

const bundle = /** @type {const} */ ({
  absWorkingDir: root,
  bundle: true,
  platform: "node",
  target: "node20",
  format: "esm",
  minify: true,
  // A source of nothing but ASCII takes one byte a character in memory; with one "→" in it, two.
  charset: "ascii",
  sourcemap: "linked",
  sourcesContent: false,
  legalComments: "none",
  define: { __FIELDPOST_VERSION__: JSON.stringify(version) },
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url); const __bundleUrl = import.meta.url;',
  },
  plugins: [lean, native],
  logLevel: "warning",
});

rmSync(outdir, { recursive: true, force: true });
const metafile = await buildDevice();
await build({ ...bundle, entryPoints: ["src/demo/main.ts"], outfile: "dist/demo.js" });
await build({
  ...bundle,
  entryPoints: ["src/index.ts"],
  outfile: "dist/index.js",
  minify: false,
  packages: "external",
  banner: {},
  plugins: [],
});
writeFileSync(join(outdir, "licences.txt"), licencesOf(root, Object.keys(metafile.inputs)));
copyNativeParts();
// The bundles are ES modules also where somebody copies this folder alone.
writeFileSync(join(outdir, "package.json"), `${JSON.stringify({ type: "module" })}\n`);
if (process.argv.includes("--metafile")) {
  writeFileSync(join(outdir, "meta.json"), JSON.stringify(metafile));
}

/**
 * esbuild's splitting makes a chunk of each set of modules that the same entries reach, which would be dozens of files to
 * read at each start. So what the program reaches without a dynamic import is merged again into one file, whose
 * names the parts import.
 */
async function buildDevice() {
  const { metafile, outputFiles } = await build({
    ...bundle,
    entryPoints: { fieldpost: "src/main.ts" },
    outdir: "dist",
    splitting: true,
    chunkNames: "part-[name]-[hash]",
    sourcemap: "inline",
    metafile: true,
    write: false,
    // Once a file, in the end.
    banner: {},
  });
  const sources = new Map(outputFiles.map(({ path, text }) => [path, text]));
  const program = join(outdir, "fieldpost.js");
  const core = reachedStatically(metafile, program);
  const parts = [...sources.keys()].filter((path) => !core.has(path));
  await build({
    ...bundle,
    entryPoints: Object.fromEntries([program, ...parts].map((path) => [basename(path, ".js"), path])),
    outdir: "dist",
    allowOverwrite: true,
    plugins: [merging(sources, program, core, metafile)],
  });
  return metafile;
}

/**
 * @param {import("esbuild").Metafile} metafile
 * @param {string} from
 */
function reachedStatically(metafile, from) {
  const reached = new Set([from]);
  for (const path of reached)
    for (const { path: imported, kind, external } of metafile.outputs[relative(root, path)]?.imports ?? [])
      if (kind === "import-statement" && !external) reached.add(join(root, imported));
  return reached;
}

/**
 * Bundles the chunks of `core` into the program and lets the parts import from there.
 * @param {ReadonlyMap<string, string>} sources
 * @param {string} program
 * @param {ReadonlySet<string>} core
 * @param {import("esbuild").Metafile} metafile
 * @returns {import("esbuild").Plugin}
 */
function merging(sources, program, core, metafile) {
  const chunks = [...core].filter((path) => path !== program);
  /** @param {string} chunk */
  const exportsOf = (chunk) => metafile.outputs[relative(root, chunk)]?.exports ?? [];
  /** @param {string} chunk @param {string} name */
  const nameInProgram = (chunk, name) => `${name}${chunks.indexOf(chunk)}`;
  return {
    name: "merging",
    setup(build) {
      build.onResolve({ filter: /^\// }, ({ path }) => ({ path }));
      build.onResolve({ filter: /^\.\/.*\.js$/ }, ({ path, kind, importer, namespace }) => {
        const target = join(outdir, path);
        if (!sources.has(target)) return { path, external: true };
        if (namespace === "names") return { path: "./fieldpost.js", external: true };
        if (!core.has(target)) return { path, external: true };
        if (kind === "dynamic-import") return { path, external: true };
        return core.has(importer) ? { path: target } : { path: target, namespace: "names" };
      });
      build.onLoad({ filter: /^\//, namespace: "file" }, ({ path }) => {
        const reexports = path === program ? chunks.map((chunk) => reexport(chunk)) : [];
        return { contents: [sources.get(path), ...reexports].join("\n"), loader: "js" };
      });
      build.onLoad({ filter: /.*/, namespace: "names" }, ({ path }) => ({
        contents: `export { ${exportsOf(path)
          .map((name) => `${nameInProgram(path, name)} as ${name}`)
          .join(", ")} } from "./fieldpost.js";`,
        loader: "js",
      }));
    },
  };
  /** @param {string} chunk */
  function reexport(chunk) {
    const names = exportsOf(chunk).map((name) => `${name} as ${nameInProgram(chunk, name)}`);
    return `export { ${names.join(", ")} } from "./${basename(chunk)}";`;
  }
}

function copyNativeParts() {
  const machine = `${process.platform}-${process.arch}`;
  const perAbi = `${machine}-${process.versions.modules}`;
  for (const [from, folder] of [
    ["node_modules/i2c-bus/build/Release/i2c.node", perAbi],
    ["node_modules/epoll/build/Release/epoll.node", perAbi],
    ["node_modules/spi-device/build/Release/spi.node", perAbi],
    [`native/build/${machine}/fieldpost.node`, machine],
  ]) {
    copyNativePart(from, folder, basename(from));
  }
  // Made by its package for every board: the oldest ARM of each kind, glibc.
  for (const [folder, kind] of [
    ["linux-x64", ""],
    ["linux-arm64", ".armv8"],
    ["linux-arm", ".armv6"],
  ]) {
    const from = `node_modules/@serialport/bindings-cpp/prebuilds/${folder}/@serialport+bindings-cpp${kind}.glibc.node`;
    copyNativePart(from, folder, "serialport.node");
  }
}

/**
 * @param {string} from
 * @param {string} folder
 * @param {string} name
 */
function copyNativePart(from, folder, name) {
  if (!existsSync(join(root, from))) return;
  const to = join(outdir, "native", folder);
  mkdirSync(to, { recursive: true });
  cpSync(join(root, from), join(to, name));
}
