import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Clock } from "../../../src/device/clock.ts";
import { linuxOneWire } from "../../../src/device/linux/one-wire.ts";
import { type TextFiles, textFiles } from "../../../src/device/linux/text-files.ts";
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

/** Time passes only by sleeping, and then at once. */
let nowMs = 0;
const clock: Clock = {
  wallMs: () => nowMs,
  monotonicMs: () => nowMs,
  bootId: "00000000",
  synced: () => true,
  async sleep(durationMs) {
    nowMs += durationMs;
    await new Promise(setImmediate);
  },
};
const bus = () => linuxOneWire(textFiles(root), clock);

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
  const wire = linuxOneWire(files, clock);
  const reads = ["28-dead00000000", "28-000000000001", "28-000000000002"].map((id) =>
    wire.readThermometer(id),
  );
  const [first, ...others] = await Promise.allSettled(reads);
  expect(first).toMatchObject({ status: "rejected", reason: { fault: "io" } });
  expect(others).toMatchObject([{ value: "text" }, { value: "text" }]);
  expect(atOnce).toBe(1);
});

/** w1_therm's files of one master in memory, as strict as drivers/w1/slaves/w1_therm.c: a kept result is handed out once. */
class FakeMaster {
  readonly log: string[] = [];
  writable = true;
  /** What is measured now. */
  celsius = 20;
  readonly #kept = new Map<string, number>();
  readonly #ids: readonly string[];
  readonly #resolutions = new Map<string, string>();
  #busyPolls = 0;

  constructor(count: number) {
    this.#ids = Array.from({ length: count }, (_, nth) => `28-00000000000${nth.toString(16)}`);
  }

  get ids(): readonly string[] {
    return this.#ids;
  }

  readonly files: TextFiles = {
    list: async () => [...this.#ids, "w1_bus_master1"],
    isUsable: async () => this.writable,
    readNow: () => "",
    read: async (path) => {
      if (path.endsWith("w1_master_slaves")) return this.#ids.join("\n");
      if (path.endsWith("therm_bulk_read")) {
        if (this.#busyPolls-- > 0) return "-1";
        return this.#kept.size > 0 ? "1" : "0";
      }
      const id = path.split("/").at(-2)!;
      if (path.endsWith("resolution")) return this.#resolutions.get(id) ?? "12";
      const kept = this.#kept.get(id);
      this.#kept.delete(id);
      this.log.push(kept === undefined ? "convert" : "fetch");
      return `t=${kept ?? this.celsius}`;
    },
    write: async (path, text) => {
      if (!this.writable) throw nodeError("EROFS", "open");
      if (path.endsWith("resolution")) this.#resolutions.set(path.split("/").at(-2)!, text.trim());
      if (!path.endsWith("therm_bulk_read")) return;
      this.log.push(text.trim());
      this.#busyPolls = 3;
      for (const id of this.#ids) this.#kept.set(id, this.celsius);
    },
  };
}

test("ten thermometers that are due together cost one conversion", async () => {
  const master = new FakeMaster(10);
  const wire = linuxOneWire(master.files, clock);
  const reads = Promise.all(master.ids.map((id) => wire.readThermometer(id)));
  expect(await reads).toEqual(master.ids.map(() => "t=20"));
  expect(master.log).toEqual(["trigger", ...master.ids.map(() => "fetch")]);
});

test("they follow each other where the bulk file may not be written or is not there", async () => {
  const master = new FakeMaster(3);
  master.writable = false;
  const wire = linuxOneWire(master.files, clock);
  await Promise.all(master.ids.map((id) => wire.readThermometer(id)));
  expect(master.log).toEqual(["convert", "convert", "convert"]);
});

test("one that the others' conversion left with an old result is not read from it", async () => {
  const master = new FakeMaster(3);
  const wire = linuxOneWire(master.files, clock);
  const [one, two, three] = master.ids as [string, string, string];
  await Promise.all([wire.readThermometer(one), wire.readThermometer(two)]);
  master.celsius = 30;
  expect(await wire.readThermometer(three)).toBe("t=30");
  expect(master.log).toEqual(["trigger", "fetch", "fetch", "fetch", "convert"]);
  master.celsius = 31;
  expect(await wire.readThermometer(three)).toBe("t=31");
  expect(master.log.slice(5)).toEqual(["convert"]);
});

test("nor from what another program's conversion left", async () => {
  const master = new FakeMaster(2);
  await master.files.write("therm_bulk_read", "trigger");
  master.celsius = 25;
  const wire = linuxOneWire(master.files, clock);
  expect(await wire.readThermometer(master.ids[0]!)).toBe("t=25");
});

test("the resolution is set once, and what cannot set it says how it is done", async () => {
  const master = new FakeMaster(1);
  const [id] = master.ids as [string];
  const wire = linuxOneWire(master.files, clock);
  await wire.setResolution(id, 9);
  await wire.setResolution(id, 9);
  expect(await master.files.read(`x/${id}/resolution`)).toBe("9");
  master.writable = false;
  await wire.setResolution(id, 9);
  await expect(wire.setResolution(id, 10)).rejects.toMatchObject({
    name: "OneWireError",
    fault: "denied",
    message: expect.stringContaining("eeprom_cmd"),
  });
});
