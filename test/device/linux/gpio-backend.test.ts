import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Addon } from "../../../src/device/linux/addon.ts";
import { type GpioBackend, linuxGpio } from "../../../src/device/linux/gpio-backend.ts";
import { VirtualClock } from "../../../src/device/sim/clock.ts";
import { FakeGpioKernel } from "./fake-gpio-kernel.ts";
import { nodeError } from "./system-error.ts";

let dev: string;
beforeEach(() => {
  dev = mkdtempSync(join(tmpdir(), "fieldpost-dev-"));
});
afterEach(() => rmSync(dev, { recursive: true }));

/** Opens an output on a board with a chip in sysfs, and says which way that went. */
async function way(backend: GpioBackend, load: () => Addon): Promise<string> {
  const clock = new VirtualClock({ wallMs: 0 });
  const kernel = new FakeGpioKernel(clock, [{ label: "pinctrl-bcm2711", base: 512, lineCount: 58 }]);
  const gpio = linuxGpio({ backend, chip: "auto", clock, files: kernel.files, dev, load });
  const error = await gpio.output({ pin: 17, initial: 0 }).then(
    () => undefined,
    (reason: Error) => reason.message,
  );
  return error ?? (kernel.line(529).exported ? "sysfs" : "nowhere");
}

/** The native part on a kernel that answers every request with an error. */
function addonThatFails(code: "EINVAL" | "EBUSY"): () => Addon {
  return () => ({
    ioctl: () => {
      throw nodeError(code, "ioctl");
    },
    watch: () => expect.fail("nothing to watch"),
    unwatch: () => expect.fail("nothing is watched"),
    adjtimex: () => ({ state: 0, status: 0, maxErrorUs: 0 }),
    sdNotify: () => false,
  });
}

const missing = () => {
  throw new Error("the native part is missing");
};

test.each<[string, GpioBackend, () => Addon, string[], string]>([
  [
    "auto is the character device where there is one",
    "auto",
    addonThatFails("EBUSY"),
    ["gpiochip0"],
    "owns the line",
  ],
  ["auto is sysfs where there is none", "auto", addonThatFails("EBUSY"), ["null"], "sysfs"],
  [
    "auto is sysfs where the kernel knows no uAPI v2",
    "auto",
    addonThatFails("EINVAL"),
    ["gpiochip0"],
    "sysfs",
  ],
  ["auto is sysfs where the native part is missing", "auto", missing, ["gpiochip0"], "sysfs"],
  ["sysfs is sysfs", "sysfs", addonThatFails("EBUSY"), ["gpiochip0"], "sysfs"],
  [
    "cdev is the character device even where there is none",
    "cdev",
    addonThatFails("EBUSY"),
    [],
    "there is no chip",
  ],
  ["cdev says that the native part is missing", "cdev", missing, ["gpiochip0"], "the native part is missing"],
])("%s", async (_name, backend, load, devices, expected) => {
  for (const name of devices) writeFileSync(join(dev, name), "");
  expect(await way(backend, load)).toContain(expected);
});
