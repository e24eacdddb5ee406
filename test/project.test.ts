import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const json = (file: string) => JSON.parse(readFileSync(join(root, file), "utf8"));

interface LockedPackage {
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly hasInstallScript?: boolean;
}

const locked: Readonly<Record<string, LockedPackage>> = json("package-lock.json").packages;
const installed = (name: string) => Object.keys(locked).some((path) => path.endsWith(`node_modules/${name}`));

test("the lockfile knows every platform's part of every tool, so that npm ci works on each", () => {
  const missing = Object.entries(locked).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies)
      .filter((name) => !installed(name))
      .map((name) => `${path || "fieldpost"} -> ${name}`),
  );
  expect(missing).toEqual([]);
});

test("every dependency with an install script has been decided on", () => {
  const scripted = Object.entries(locked)
    .filter(([path, { hasInstallScript }]) => hasInstallScript && path !== "")
    .map(([path]) => path.replace(/^.*node_modules\//, ""));
  const decided = Object.keys(json("package.json").allowScripts);
  expect([...new Set(scripted)].filter((name) => !decided.includes(name))).toEqual([]);
});

test("native packages are optional: without a compiler everything but the real board works", () => {
  const { dependencies, optionalDependencies } = json("package.json");
  expect(Object.keys(optionalDependencies).sort()).toEqual([
    "@serialport/bindings-cpp",
    "i2c-bus",
    "onoff",
    "spi-device",
  ]);
  expect(dependencies).not.toHaveProperty("i2c-bus");
});
