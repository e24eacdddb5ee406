import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, inject, test } from "vitest";
import { tryOut } from "./trial.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const packages = inject("packages");
const version = inject("version");
const scratch = mkdtempSync(join(tmpdir(), "fieldpost-unpacked-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const ALL = [
  ["fieldpost", "arm64"],
  ["fieldpost", "amd64"],
  ["fieldpost-app", "arm64"],
  ["fieldpost-app", "armhf"],
  ["fieldpost-app", "amd64"],
] as const;

const fileOf = (name: string, arch: string) => join(packages, `${name}_${version}_${arch}.deb`);

function unpacked(name: string, arch: string): string {
  const folder = join(scratch, `${name}-${arch}`);
  execFileSync("dpkg-deb", ["-x", fileOf(name, arch), folder]);
  return folder;
}

describe.each(ALL)("the package %s for %s", (name, arch) => {
  test("has nothing that lintian calls an error", () => {
    const { stdout } = spawnSync(
      "lintian",
      ["--fail-on", "none", "--tag-display-limit", "0", fileOf(name, arch)],
      {
        encoding: "utf8",
      },
    );
    expect(stdout.split("\n").filter((line) => line.startsWith("E:"))).toEqual([]);
  });

  test("holds machine code for its own processor only", () => {
    const machine = { arm64: "AArch64", armhf: "ARM", amd64: "X86-64" }[arch];
    const native = join(unpacked(name, arch), "usr/lib/fieldpost/native");
    const parts = readdirSync(native, { recursive: true, encoding: "utf8" }).filter((file) =>
      file.endsWith(".node"),
    );
    expect(parts.length).toBeGreaterThan(2);
    for (const part of parts) {
      const header = execFileSync("readelf", ["-h", join(native, part)], { encoding: "utf8" });
      expect(header).toMatch(new RegExp(`Machine:.*${machine}`));
    }
  });
});

test("the same sources give the same bytes", () => {
  const again = mkdtempSync(join(tmpdir(), "fieldpost-again-"));
  execFileSync(
    process.execPath,
    ["deploy/package/package.mjs", "--fast", "--arch", "arm64", "--out", again],
    {
      cwd: root,
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, TZ: "Asia/Tokyo", LC_ALL: "C" },
    },
  );
  const sum = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");
  const files = readdirSync(again);
  expect(files).toHaveLength(2);
  for (const file of files)
    expect(`${file} ${sum(join(again, file))}`).toBe(`${file} ${sum(join(packages, file))}`);
  rmSync(again, { recursive: true });
});

describe("on an emulated 64-bit ARM processor", () => {
  const emulated = (folder: string, ...args: readonly string[]) => [
    "qemu-aarch64-static",
    "-L",
    "/usr/aarch64-linux-gnu",
    join(folder, "usr/lib/fieldpost/node"),
    ...args,
  ];

  test("the package's own Node.js and bundle bring readings to a broker", async () => {
    const folder = unpacked("fieldpost", "arm64");
    const { about } = await tryOut(emulated(folder, join(folder, "usr/lib/fieldpost/fieldpost.js")), 90_000);
    expect(about.version).toBe(version);
  });

  test("every native part for its Node.js loads", () => {
    const folder = unpacked("fieldpost", "arm64");
    const native = join(folder, "usr/lib/fieldpost/native");
    const parts = readdirSync(native, { recursive: true, encoding: "utf8" }).filter((file) =>
      file.endsWith(".node"),
    );
    const script = `for (const part of ${JSON.stringify(parts.map((part) => join(native, part)))}) {
      const loaded = { exports: {} };
      process.dlopen(loaded, part);
      console.log(part.split("/").at(-1), Object.keys(loaded.exports).length > 0);
    }`;
    const [program = "", ...args] = emulated(folder, "-e", script);
    const printed = execFileSync(program, args, { encoding: "utf8" }).trim().split("\n").sort();
    expect(printed).toEqual([
      "epoll.node true",
      "fieldpost.node true",
      "i2c.node true",
      "serialport.node true",
      "spi.node true",
    ]);
  });
});
