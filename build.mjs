// Builds what is shipped:
//   dist/fieldpost.js   the device bundle: one minified ESM file
//   dist/native/        the native parts beside it, by platform, architecture and ABI
//   dist/demo.js        the demo, with its embedded broker; never on a device
//   dist/index.js       the library; its dependencies come from node_modules
// `node build.mjs --metafile` also writes dist/meta.json, which says what each byte of the bundle is.
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = dirname(fileURLToPath(import.meta.url));
const outdir = join(root, "dist");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
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
  events: 'module.exports = require("node:events");',
  string_decoder: 'module.exports = require("node:string_decoder");',
  "abort-controller": "exports.AbortController = AbortController; exports.AbortSignal = AbortSignal;",
};

/** @type {import("esbuild").Plugin} */
const lean = {
  name: "lean",
  setup(build) {
    const names = Object.keys(replaced).map((name) => `${name}/?`);
    build.onResolve({ filter: new RegExp(`^(${names.join("|")})$`) }, (args) => ({
      path: args.path.replace(/\/$/, ""),
      namespace: "lean",
    }));
    build.onLoad({ filter: /.*/, namespace: "lean" }, (args) => ({
      contents: replaced[/** @type {keyof typeof replaced} */ (args.path)],
      loader: "js",
    }));
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
        const folder = \`\${process.platform}-\${process.arch}-\${process.versions.modules}\`;
        module.exports = (name) => {
          const file = join(dirname(fileURLToPath(__bundleUrl)), "native", folder, name.replace(/(\\.node)?$/, ".node"));
          const module = { exports: {} };
          process.dlopen(module, file);
          return module.exports;
        };`,
      loader: "js",
    }));
    // Optional dependencies that could not be installed stay outside; the board reports them when they are needed.
    build.onResolve({ filter: /^(i2c-bus|onoff)$/ }, (args) =>
      args.pluginData === "checked" || isInstalled(args.path) ? undefined : { path: args.path, external: true },
    );
  },
};

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
const device = await build({
  ...bundle,
  entryPoints: ["src/main.ts"],
  outfile: "dist/fieldpost.js",
  external: ["./demo.js"],
  metafile: true,
});
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
copyNativeParts();
if (process.argv.includes("--metafile")) {
  writeFileSync(join(outdir, "meta.json"), JSON.stringify(device.metafile));
}

function copyNativeParts() {
  const folder = join(outdir, "native", `${process.platform}-${process.arch}-${process.versions.modules}`);
  for (const [name, file] of [
    ["i2c-bus", "i2c.node"],
    ["epoll", "epoll.node"],
  ]) {
    const from = join(root, "node_modules", name, "build", "Release", file);
    if (!existsSync(from)) continue;
    mkdirSync(folder, { recursive: true });
    cpSync(from, join(folder, file));
  }
}
