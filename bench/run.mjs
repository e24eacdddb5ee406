// Bundles the bench into a temporary folder (Node 20 runs no TypeScript) and runs it there.
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
process.chdir(root);

const outdir = mkdtempSync(join(tmpdir(), "fieldpost-bench-code-"));
process.on("exit", () => rmSync(outdir, { recursive: true, force: true }));
await build({
  entryPoints: [
    "bench/main.ts",
    "bench/drain-fieldpost.ts",
    "bench/drain-mqttjs.ts",
    "bench/backlog-process.ts",
    "bench/hardware-guest.ts",
    "bench/peers/opening-process.ts",
  ],
  entryNames: "[name]",
  outdir,
  bundle: true,
  platform: "node",
  target: "node20",
  format: "esm",
  outExtension: { ".js": ".mjs" },
  // Both sides of a comparison run the same, unchanged MQTT.js.
  packages: "external",
  logLevel: "warning",
});
symlinkSync(join(root, "node_modules"), join(outdir, "node_modules"));
// Where the product's code looks for its native part.
symlinkSync(join(root, "dist/native"), join(outdir, "native"));
await import(pathToFileURL(join(outdir, "main.mjs")).href);
