import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/**
 * A small image of the checkout: `dist` and bundles of test files, at the places from which they find each other.
 * Inside node_modules, so that what stays outside a bundle (native modules) is found from there.
 */
const IMAGE = join(ROOT, "node_modules", ".fieldpost-hardware");
const BUNDLES = join(IMAGE, "test", "guest");

/** The built program. */
export const BUILT = join(IMAGE, "dist");

/** Each file of `guest/` as one file that the guest's Node runs. */
export async function bundle(...files: readonly string[]): Promise<string[]> {
  await build({
    absWorkingDir: ROOT,
    entryPoints: files.map((file) => join("test/hardware/guest", file)),
    outdir: BUNDLES,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    packages: "external",
    platform: "node",
    target: "node20",
    format: "esm",
    sourcemap: "inline",
    logLevel: "warning",
  });
  return files.map((file) => join(BUNDLES, `${basename(file, ".ts")}.mjs`));
}
