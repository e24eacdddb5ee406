import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { textFiles } from "../../../src/device/linux/text-files.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "fieldpost-files-"));
});
afterEach(() => rmSync(root, { recursive: true }));

test("reads without the kernel's ending, a line feed or a zero byte", async () => {
  writeFileSync(join(root, "label"), "pinctrl-bcm2835\n");
  writeFileSync(join(root, "model"), "Raspberry Pi\0");
  expect(await textFiles(root).read("label")).toBe("pinctrl-bcm2835");
  expect(await textFiles(root).read("model")).toBe("Raspberry Pi");
});

test("writes to a file that exists and never makes one", async () => {
  writeFileSync(join(root, "edge"), "none");
  await textFiles(root).write("edge", "both");
  expect(readFileSync(join(root, "edge"), "utf8")).toBe("both");
  await expect(textFiles(root).write("direction", "in")).rejects.toMatchObject({ code: "ENOENT" });
  expect(existsSync(join(root, "direction"))).toBe(false);
});

test("tells whether a file can be used", async () => {
  writeFileSync(join(root, "value"), "0");
  expect(await textFiles(root).isUsable("value")).toBe(true);
  expect(await textFiles(root).isUsable("edge")).toBe(false);
});

test("reads what is longer than one piece, whatever character the cut goes through", async () => {
  const text = `x${"°".repeat(5_000)}`;
  writeFileSync(join(root, "long"), text);
  expect(await textFiles(root).read("long")).toBe(text);
});

test("reads the kernel's own files, which claim to be empty", async () => {
  expect(await textFiles("/").read("proc/self/status")).toMatch(/^VmRSS:/m);
});
