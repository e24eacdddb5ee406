import { readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Figure, Part } from "./figure.ts";

const GOAL_BYTES = 350_000;
/** The goal and 5 % for growth until somebody looks. */
const MAX_BUNDLE_BYTES = 367_500;

/** What a device has to store and every update has to send. */
export const bundle: Part = {
  name: "bundle",
  title: "what is installed on a device, besides Node",
  async measure({ bundle }) {
    const figures: Figure[] = [
      {
        name: "dist/fieldpost.js",
        unit: "bytes",
        runs: [statSync(bundle).size],
        target: { of: "figure", bound: "at most", limit: MAX_BUNDLE_BYTES },
      },
    ];
    const folder = dirname(bundle);
    for (const file of readdirSync(folder)
      .filter((name) => /^part-.*\.js$/.test(name))
      .sort())
      figures.push({
        name: file.replace(/-[0-9A-Z]{8}\.js$/, ".js"),
        unit: "bytes",
        runs: [statSync(join(folder, file)).size],
      });
    const native = join(folder, "native");
    for (const file of filesBelow(native))
      figures.push({ name: `native/${file}`, unit: "bytes", runs: [statSync(join(native, file)).size] });
    return {
      figures,
      notes: [`the goal for dist/fieldpost.js is ${GOAL_BYTES.toLocaleString("en")} bytes`],
    };
  },
};

function filesBelow(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) =>
      statSync(join(folder, file)).isFile(),
    );
  } catch {
    // No native part could be built on this machine.
    return [];
  }
}
