import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type EmulatedBoard, startBoard } from "./emulator.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const HERE = join(ROOT, "test/board");

/** An emulated processor is some forty times slower than the machine, which may be busy. */
const PATIENCE_MS = 180_000;

const folder = mkdtempSync(join(tmpdir(), "fieldpost-board-"));
let board: EmulatedBoard;

beforeAll(async () => {
  const run = (program: string, ...args: string[]) =>
    execFileSync(program, args, { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  const emulator = run("bash", join(HERE, "emulator.sh")).trim();
  const parts = run("bash", join(HERE, "setup.sh")).trim();
  run(process.execPath, "deploy/package/package.mjs", "--arch", "arm64", "--fast", "--out", folder);
  board = startBoard(emulator, parts, withProduct(parts), folder);
}, 600_000);

afterAll(async () => {
  await board?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test("the program runs on a Raspberry Pi 3, and knows it", async () => {
  const [, about = ""] = await board.line(/^heard fieldpost\/pi\/about (\{.*\})/m, PATIENCE_MS);
  expect(JSON.parse(about)).toMatchObject({
    device: { id: "pi" },
    board: { model: "Raspberry Pi 3 Model B" },
  });
});

// After its reset this chip measures in steps of half a degree.
test.each([23.5, -12.5])("%f °C around the chip arrive at the broker", async (celsius) => {
  await board.setTemperature(celsius);
  const reading = new RegExp(`^heard fieldpost/pi/telemetry/air \\{"seq".*"temperature":${celsius}\\}`, "m");
  await board.line(reading, PATIENCE_MS);
});

test("a command drives GPIO17 of the board's own controller", async () => {
  await board.line(/^heard fieldpost\/pi\/result\/lamp .*"status":"done"/m, PATIENCE_MS);
  await board.line(/^kernel: .*GPIO17 +\|fieldpost.*out hi/m, PATIENCE_MS);
});

/** The root file system with the package's files, a configuration and the first process. The kernel takes archives in a row. */
function withProduct(parts: string): string {
  const files = join(folder, "files");
  mkdirSync(join(files, "etc/fieldpost"), { recursive: true });
  const app = readdirSync(folder).find((name) => name.startsWith("fieldpost-app_"))!;
  execFileSync("dpkg-deb", ["-x", join(folder, app), join(folder, "package")]);
  cpSync(join(folder, "package/usr/lib/fieldpost"), join(files, "usr/lib/fieldpost"), { recursive: true });
  for (const name of ["fieldpost.yaml", "tmp105.js"])
    cpSync(join(HERE, name), join(files, "etc/fieldpost", name));
  cpSync(join(HERE, "init"), join(files, "init"));
  const script = `cd ${files} && chmod 755 init && find . | busybox cpio -o -H newc 2>/dev/null`;
  const archive = execFileSync("sh", ["-c", script], { maxBuffer: 64 * 1024 * 1024 });
  const initrd = join(folder, "initrd");
  writeFileSync(initrd, Buffer.concat([readFileSync(join(parts, "base.cpio")), archive]));
  return initrd;
}
