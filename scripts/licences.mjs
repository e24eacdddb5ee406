// The licences of what is bundled: most of them ask to be kept with every copy.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** What may go into the bundle without a second thought: they ask for nothing but to be named. */
const PERMITTED = new Set([
  "MIT",
  "ISC",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "Apache-2.0",
  "0BSD",
  "BlueOak-1.0.0",
]);

/**
 * @param {string} root the checkout
 * @param {Iterable<string>} inputs files of the bundle, as esbuild's metafile names them
 * @returns {string} one text with every package's licence. Throws where one has none that is permitted.
 */
export function licencesOf(root, inputs) {
  const folders = new Set(
    [...inputs].flatMap((file) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? []),
  );
  return [...folders]
    .sort()
    .map((folder) => licenceOf(join(root, folder)))
    .join(`\n${"-".repeat(78)}\n\n`);
}

/** @param {string} folder of a package */
function licenceOf(folder) {
  const { name, version, license, author } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  if (!PERMITTED.has(license))
    throw new Error(`${name} ${version}: licence "${license}" is not one to bundle`);
  const file = readdirSync(folder).find((entry) => /^(licen[cs]e|copying)(\.|$)/i.test(entry));
  const holder = typeof author === "string" ? author : author?.name;
  const text = file
    ? readFileSync(join(folder, file), "utf8")
    : `Copyright (c) ${holder ?? `the authors of ${name}`}\n`;
  return `${name} ${version} (${license})\n\n${text.replaceAll("\r\n", "\n").trim()}\n`;
}
