import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { linuxBoard } from "../../../src/device/linux/board.ts";
import { linuxClock } from "../../../src/device/linux/clock.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "fieldpost-board-"));
});
afterEach(() => rmSync(root, { recursive: true }));

const clock = linuxClock();

describe("the bus that users wire sensors to", () => {
  test.each([
    ["the header's where there is one", ["i2c-0", "i2c-1", "i2c-20"], "/dev/i2c-1"],
    ["else the first, by number", ["i2c-22", "i2c-3", "null"], "/dev/i2c-3"],
    ["the header's by name where there is none", ["null"], "/dev/i2c-1"],
  ])("is %s", (_name, devices, expected) => {
    mkdirSync(join(root, "dev"));
    for (const device of devices) writeFileSync(join(root, "dev", device), "");
    expect(linuxBoard({ clock, root }).defaultI2c).toBe(expected);
  });
});

test("a bus is the same object for the same path", () => {
  const board = linuxBoard({ clock, root });
  expect(board.i2c("/dev/i2c-1")).toBe(board.i2c("/dev/i2c-1"));
  expect(board.i2c("/dev/i2c-1")).not.toBe(board.i2c("/dev/i2c-3"));
});

test("a board without any of the hardware is made and closed, and says what is missing when asked", async () => {
  const board = linuxBoard({ clock, root });
  await expect(board.i2c("/dev/i2c-987654").transfer(0x76, Uint8Array.of(0), 1)).rejects.toMatchObject({
    fault: "no_bus",
  });
  await expect(board.gpio.output({ pin: 17, initial: 0 })).rejects.toMatchObject({ fault: "unsupported" });
  await expect(board.oneWire.ids()).rejects.toMatchObject({ fault: "no_bus" });
  await board.close();
  await expect(board.i2c("/dev/i2c-987654").transfer(0x76, Uint8Array.of(0), 1)).rejects.toThrow("closed");
});
