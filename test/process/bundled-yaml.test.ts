import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { check } from "../../src/cli/check.ts";
import { seededRandom } from "../../src/device/random.ts";
import { SEED, sampleOf } from "../exhaustive.ts";
import { startBundle } from "./bundle.ts";

// The bundle leaves parts of the YAML library out. Whatever it reads, it must read as the source does.
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fieldpost-yaml-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const right = `%YAML 1.2
---
# comments, anchors, merge keys, block scalars, flow, hex and octal, escapes, quotes
device: { id: g1 }
mqtt:
  url: "mqtt://b\\u002eexample"
  username: >-
    folded
    text
  password: |
    kept
    as it is
  keepalive: '10s'
sensors:
  - &air
    id: air
    driver: bme280
    address: 0x77
    interval: 1s
  - { <<: *air, id: canopy, address: 0o166 }
  - ? id
    : clock
    ? driver
    : host
`;

const wrong = readFileSync(new URL("../config/wrong-configs.txt", import.meta.url), "utf8")
  .split(/^=== /m)
  .slice(1)
  .map((part) =>
    part
      .split(/^--- says\n/m)[0]!
      .split("\n")
      .slice(1)
      .join("\n"),
  )
  // Where a driver's file cannot be loaded, the message has the path of the module that tried.
  .filter((config) => !/driver: \.\//.test(config));
const sample = sampleOf(wrong, 8, seededRandom(SEED));

async function bySource(file: string): Promise<string> {
  let stdout = "";
  await check(["--json", file], {
    stdout: (text) => {
      stdout += text;
    },
    stderr: () => {},
    env: {},
    cwd: folder,
    isTty: false,
    columns: 80,
  });
  return stdout;
}

async function byBundle(file: string): Promise<string> {
  const process = startBundle(["check", "--json", file]);
  await process.exited;
  return process.stdout();
}

test.each([right, ...sample])(
  `the bundle reads configuration %# as the source does (SEED=${SEED})`,
  async (config) => {
    const file = join(folder, "fieldpost.yaml");
    await writeFile(file, config);
    const expected = await bySource(file);
    expect(await byBundle(file)).toBe(expected);
    if (config === right) expect(JSON.parse(expected)).toMatchObject({ ok: true, problems: [] });
  },
);
