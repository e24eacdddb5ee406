import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { linuxOneWire } from "../../../src/device/linux/one-wire.ts";
import { textFiles } from "../../../src/device/linux/text-files.ts";
import { nodeError } from "./system-error.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "fieldpost-w1-"));
});
afterEach(() => rmSync(root, { recursive: true }));

function slave(id: string, text?: string): void {
  const folder = join(root, "sys/bus/w1/devices", id);
  mkdirSync(folder, { recursive: true });
  if (text !== undefined) writeFileSync(join(folder, "w1_slave"), text);
}

const bus = () => linuxOneWire(textFiles(root));

test("finds thermometers and nothing else", async () => {
  for (const id of ["28-0316a2795aff", "10-000802bc35c9", "w1_bus_master1", "01-00000f1e2d3c"]) slave(id);
  expect(await bus().ids()).toEqual(["10-000802bc35c9", "28-0316a2795aff"]);
});

test("hands over the text, an empty one included", async () => {
  slave("28-0316a2795aff", "72 01 4b\n");
  slave("28-0000deadbeef", "");
  expect(await bus().readThermometer("28-0316a2795aff")).toBe("72 01 4b");
  expect(await bus().readThermometer("28-0000deadbeef")).toBe("");
});

test("names those that are there when one is absent", async () => {
  slave("28-0316a2795aff", "");
  const failed = bus().readThermometer("28-000000000001");
  await expect(failed).rejects.toMatchObject({ name: "OneWireError", fault: "absent" });
  await expect(failed).rejects.toThrow("present: 28-0316a2795aff");
});

test("says how to get a bus where the kernel has none", async () => {
  for (const failed of [bus().ids(), bus().readThermometer("28-000000000001")]) {
    await expect(failed).rejects.toMatchObject({ fault: "no_bus" });
    await expect(failed).rejects.toThrow("dtoverlay=w1-gpio");
  }
});

test("reads one thermometer at a time, and a failure does not hold up the next", async () => {
  let running = 0;
  let atOnce = 0;
  const files = {
    ...textFiles(root),
    async read(path: string) {
      atOnce = Math.max(atOnce, ++running);
      await new Promise(setImmediate);
      running--;
      if (path.includes("dead")) throw nodeError("EIO", "read");
      return "text";
    },
  };
  const wire = linuxOneWire(files);
  const reads = ["28-dead00000000", "28-000000000001", "28-000000000002"].map((id) =>
    wire.readThermometer(id),
  );
  const [first, ...others] = await Promise.allSettled(reads);
  expect(first).toMatchObject({ status: "rejected", reason: { fault: "io" } });
  expect(others).toMatchObject([{ value: "text" }, { value: "text" }]);
  expect(atOnce).toBe(1);
});
