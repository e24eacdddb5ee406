import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { linuxKernelChips } from "../../../src/device/linux/kernel-chips.ts";
import { textFiles } from "../../../src/device/linux/text-files.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "fieldpost-chips-"));
});
afterEach(() => rmSync(root, { recursive: true }));

const chips = () => linuxKernelChips({ files: textFiles(root), root });

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), `${text}\n`);
}

function link(path: string, target: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  symlinkSync(join(root, target), join(root, path));
}

const BUS = "sys/devices/platform/soc/fe804000.i2c/i2c-1";

test("a kernel without either subsystem has no chips", async () => {
  expect(await chips().list("iio")).toEqual([]);
  expect(await chips().list("hwmon")).toEqual([]);
});

test("an IIO device is found with its place on the bus and both of its names", async () => {
  write(`${BUS}/1-0040/name`, "si7020");
  write(`${BUS}/1-0040/iio:device3/name`, "1-0040");
  write(`${BUS}/1-0040/iio:device3/in_temp_raw`, "6600");
  link("sys/bus/iio/devices/iio:device3", `${BUS}/1-0040/iio:device3`);
  link("sys/bus/i2c/devices/1-0040", `${BUS}/1-0040`);
  write("sys/bus/iio/devices/trigger0/name", "no device");
  const [chip, ...others] = await chips().list("iio");
  expect(others).toEqual([]);
  expect(chip).toMatchObject({
    id: "iio:device3",
    names: ["1-0040", "si7020"],
    i2c: { devicePath: "/dev/i2c-1", address: 0x40 },
    attributes: ["in_temp_raw", "name"],
  });
  expect(await chip!.read("in_temp_raw")).toBe("6600");
  await expect(chip!.read("in_pressure_input")).rejects.toMatchObject({
    name: "KernelChipError",
    fault: "absent",
  });
});

test("a hwmon device is found through its link, and one of the processor has no place on a bus", async () => {
  write(`${BUS}/1-0048/name`, "lm75");
  write(`${BUS}/1-0048/hwmon/hwmon2/name`, "lm75");
  link(`${BUS}/1-0048/hwmon/hwmon2/device`, `${BUS}/1-0048`);
  link("sys/class/hwmon/hwmon2", `${BUS}/1-0048/hwmon/hwmon2`);
  link("sys/bus/i2c/devices/1-0048", `${BUS}/1-0048`);
  write("sys/class/hwmon/hwmon0/name", "cpu_thermal");
  write("sys/class/hwmon/hwmon0/temp1_input", "48312");
  const found = await chips().list("hwmon");
  expect(found.map(({ id, names, i2c }) => ({ id, names, i2c }))).toEqual([
    { id: "hwmon0", names: ["cpu_thermal"], i2c: undefined },
    { id: "hwmon2", names: ["lm75"], i2c: { devicePath: "/dev/i2c-1", address: 0x48 } },
  ]);
});

test("a device that is called by its node in the device tree also has the name without the place", async () => {
  const node = "sys/devices/platform/dht11@4";
  write(`${node}/iio:device0/name`, "dht11@4");
  link("sys/bus/iio/devices/iio:device0", `${node}/iio:device0`);
  expect((await chips().list("iio"))[0]).toMatchObject({ names: ["dht11@4", "dht11"], i2c: undefined });
});

test.each(["iio", "hwmon"] as const)(
  "a chip of %s that goes while it is looked at takes no other with it",
  async (subsystem) => {
    const folder = subsystem === "iio" ? "sys/bus/iio/devices" : "sys/class/hwmon";
    const [stays, goes] = subsystem === "iio" ? ["iio:device0", "iio:device1"] : ["hwmon0", "hwmon1"];
    write(`${folder}/${stays}/name`, "lm75");
    const files = textFiles(root);
    const list = async (path: string) =>
      path === folder ? [stays, goes] : path.endsWith(goes) ? ["name"] : files.list(path);
    const found = await linuxKernelChips({ files: { ...files, list }, root }).list(subsystem);
    expect(found.map(({ id }) => id)).toEqual([stays]);
  },
);
