import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { linuxLamp } from "../../../src/device/linux/lamp.ts";
import { type TextFiles, textFiles } from "../../../src/device/linux/text-files.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "fieldpost-lamp-"));
});
afterEach(() => {
  chmodSync(root, 0o700);
  rmSync(root, { recursive: true });
});

const file = (name: string, led = "ACT") => join(root, "sys/class/leds", led, name);
const shows = (name: string, led?: string) => readFileSync(file(name, led), "utf8");

function light(led: string, trigger: string, brightness = "1") {
  mkdirSync(file("", led), { recursive: true });
  writeFileSync(file("trigger", led), trigger);
  writeFileSync(file("brightness", led), brightness);
  writeFileSync(file("max_brightness", led), "255\n");
}

/** As the kernel does it, a write replaces the value. */
const files: () => TextFiles = () => ({
  ...textFiles(root),
  async write(path, text) {
    writeFileSync(join(root, path), text);
  },
});

test("the light of a Raspberry Pi is switched at full brightness, and gets its trigger back", async () => {
  light("ACT", "none rc-feedback timer [mmc0] default-on\n");
  const lamp = linuxLamp(files());
  expect(await lamp.isThere()).toBe(true);
  const taken = await lamp.take();
  expect(taken.name).toBe("ACT");
  expect(shows("trigger")).toBe("none");
  await taken.set(true);
  expect(shows("brightness")).toBe("255");
  await taken.set(false);
  expect(shows("brightness")).toBe("0");
  await taken.giveBack();
  expect(shows("trigger")).toBe("mmc0");
});

test("one that no trigger drove gets its brightness back", async () => {
  light("led0", "[none] timer mmc0\n", "255\n");
  const taken = await linuxLamp(files()).take();
  await taken.set(false);
  await taken.giveBack();
  expect(shows("brightness", "led0").trim()).toBe("255");
  expect(shows("trigger", "led0")).toBe("none");
});

test("other lights are left alone", async () => {
  light("PWR", "[default-on]");
  const lamp = linuxLamp(files());
  expect(await lamp.isThere()).toBe(false);
  await expect(lamp.take()).rejects.toThrow("this board has no light called ACT or led0");
  expect(shows("trigger", "PWR")).toBe("[default-on]");
});

test.each([
  ["EACCES", "/sys/class/leds/ACT/trigger: not permitted: a udev rule must give it to the group gpio"],
  ["EROFS", "/sys/class/leds/ACT/trigger: read-only here: the service needs ReadWritePaths=-/sys/devices"],
])("where it may not be written (%s), the error says what mends it", async (code, words) => {
  light("ACT", "[mmc0]");
  const refusing: TextFiles = {
    ...files(),
    write: () => Promise.reject(Object.assign(new Error("no"), { code })),
  };
  await expect(linuxLamp(refusing).take()).rejects.toThrow(words);
});
