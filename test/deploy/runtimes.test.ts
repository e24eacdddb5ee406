import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { pinned, runtime } from "../../deploy/package/runtime.mjs";
import { bundlePath } from "../process/bundle.ts";
import { tryOut } from "./trial.ts";

/** Debian 13's own, and the current lines of Node.js; by their name in runtimes.json. */
const RUNTIMES = ["20.19", "22", "amd64", "26"].map((name) => [pinned[name]!.version, name]);

/** process.versions.modules by major version: native parts are compiled for each. */
const ABIS: Readonly<Record<string, number>> = { 20: 115, 22: 127, 24: 137, 26: 147 };

describe.each(RUNTIMES)("on Node.js %s", (version, name) => {
  const node = join(runtime(name), "bin/node");

  test("the bundle brings readings to a broker and ends in order, without a warning", async () => {
    const { stderr } = await tryOut([node, bundlePath]);
    expect(stderr).not.toMatch(/warning|deprecat/i);
  });

  test("the runtime is what it is taken for", () => {
    const printed = execFileSync(node, ["-p", "[process.versions.node, process.versions.modules].join()"]);
    expect(printed.toString().trim()).toBe(`${version},${ABIS[version.split(".")[0]!]}`);
  });
});
