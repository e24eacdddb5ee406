import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

const MAX_EXPOSURE = 1.7;

// systemd-analyze takes what lies under /etc/systemd for a part of the unit; a copy elsewhere stands alone.
const folder = mkdtempSync(join(tmpdir(), "fieldpost-unit-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const unit = join(folder, "fieldpost.service");
cpSync(fileURLToPath(new URL("../../deploy/fieldpost.service", import.meta.url)), unit);

test(`systemd finds the service exposed by ${MAX_EXPOSURE} of 10 at most`, () => {
  const printed = execFileSync("systemd-analyze", ["security", "--offline=true", "--no-pager", unit], {
    encoding: "utf8",
  });
  const exposure = Number(/Overall exposure level for fieldpost\.service: ([\d.]+)/.exec(printed)?.[1]);
  expect(exposure).toBeLessThanOrEqual(MAX_EXPOSURE);
});

test("systemd understands every line of the unit", () => {
  const { stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", unit], { encoding: "utf8" });
  // The program is not installed on the machine that tests it.
  const complaints = stderr
    .split("\n")
    .filter((line) => line.includes("fieldpost.service") && !line.includes("/usr/bin/fieldpost"));
  expect(complaints).toEqual([]);
});
