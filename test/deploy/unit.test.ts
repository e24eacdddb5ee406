import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
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

/**
 * What each kind of device is called in /proc/devices, which is what systemd compares with, and the module that brings the
 * name. Sources: Linux 6.12, drivers/gpio/gpiolib-cdev.c, drivers/i2c/i2c-dev.c, drivers/spi/spidev.c (whose devices are
 * /dev/spidev* but whose name is not), drivers/tty/serial, drivers/usb/serial, drivers/usb/class/cdc-acm.c; and
 * test/board/service.test.ts, where each of them is opened.
 */
const KINDS: Readonly<Record<string, string | undefined>> = {
  gpiochip: undefined,
  i2c: "i2c_dev",
  spi: "spidev",
  ttyAMA: undefined,
  ttyS: undefined,
  ttyUSB: "usbserial",
  ttyACM: "cdc_acm",
};

test("every kind of device is allowed by the kernel's name for it, which is known before the service starts", () => {
  const lines = readFileSync(unit, "utf8").split("\n");
  const allowed = lines.flatMap((line) => /^DeviceAllow=char-(\S+) rw$/.exec(line)?.[1] ?? []);
  expect(allowed.sort()).toEqual(Object.keys(KINDS).sort());
  const loaders = Object.values(KINDS).flatMap((module) => (module ? [`modprobe@${module}.service`] : []));
  for (const key of ["Wants", "After"]) {
    const named = lines.flatMap((line) =>
      line.startsWith(`${key}=`) ? line.slice(key.length + 1).split(" ") : [],
    );
    expect(named).toEqual(expect.arrayContaining(loaders));
  }
});
