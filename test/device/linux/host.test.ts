import { mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import os from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { linuxHost } from "../../../src/device/linux/host.ts";
import { textFiles } from "../../../src/device/linux/text-files.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(os.tmpdir(), "fieldpost-host-"));
});
afterEach(() => rmSync(root, { recursive: true }));

function hostWith(files: Readonly<Record<string, string>>) {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return linuxHost({ files: textFiles(root), root });
}

describe("this machine", () => {
  const host = linuxHost({ files: textFiles() });

  test("has the memory that /proc/meminfo states", async () => {
    const kibibytes = (name: string) =>
      Number(new RegExp(`${name}: +(\\d+)`).exec(readFileSync("/proc/meminfo", "utf8"))?.[1]);
    const memory = await host.memory();
    expect(memory?.totalBytes).toBe(kibibytes("MemTotal") * 1024);
    const differenceBytes = Math.abs(memory!.availableBytes - kibibytes("MemAvailable") * 1024);
    expect(differenceBytes).toBeLessThan(0.2 * memory!.totalBytes);
  });

  test("has the load that /proc/loadavg states", async () => {
    const load1 = Number(readFileSync("/proc/loadavg", "utf8").split(" ")[0]);
    expect(Math.abs((await host.load1())! - load1)).toBeLessThan(1);
  });

  test("has been up as long as /proc/uptime states", () => {
    const uptimeMs = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 1000;
    expect(Math.abs(host.uptimeMs() - uptimeMs)).toBeLessThan(1_000);
  });

  test("has the disk that the file system states", async () => {
    const { blocks, bsize } = statfsSync("/");
    const disk = await host.disk("/");
    expect(disk?.totalBytes).toBe(blocks * bsize);
    expect(disk?.availableBytes).toBeLessThanOrEqual(blocks * bsize);
    expect(await host.disk("/no/such/folder")).toBeUndefined();
  });

  test("has a name and a model", () => {
    expect(host.hostname).toBe(os.hostname());
    expect(host.model).not.toBe("");
  });
});

describe("a Raspberry Pi", () => {
  test("says what it is", () => {
    const host = hostWith({
      "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
      "proc/device-tree/serial-number": "100000001a2b3c4d\0",
      "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    });
    expect(host).toMatchObject({
      model: "Raspberry Pi 4 Model B Rev 1.4",
      serial: "100000001a2b3c4d",
      machineId: "0123456789abcdef0123456789abcdef",
    });
  });

  test("measures its processor, whichever zone that is", async () => {
    const host = hostWith({
      "sys/class/thermal/cooling_device0/type": "gpio-fan\n",
      "sys/class/thermal/thermal_zone0/type": "rp1-adc\n",
      "sys/class/thermal/thermal_zone0/temp": "30000\n",
      "sys/class/thermal/thermal_zone1/type": "cpu-thermal\n",
      "sys/class/thermal/thermal_zone1/temp": "48312\n",
    });
    expect(await host.cpuTemperature()).toBe(48.312);
  });

  test("takes its first zone where none has a known name", async () => {
    const host = hostWith({
      "sys/class/thermal/thermal_zone0/type": "something\n",
      "sys/class/thermal/thermal_zone0/temp": "30500\n",
    });
    expect(await host.cpuTemperature()).toBe(30.5);
  });

  test.each([
    ["up to 4", "soc/soc:firmware", "50005\n", 0x50005],
    ["5", "soc@107c000000/soc@107c000000:firmware", "0\n", 0],
  ])("tells of under-voltage, %s", async (_name, folder, text, word) => {
    const host = hostWith({ [`sys/devices/platform/${folder}/get_throttled`]: text });
    expect(await host.throttled()).toBe(word);
  });
});

test("a machine that tells nothing leaves the values out", async () => {
  const host = hostWith({});
  expect(await host.cpuTemperature()).toBeUndefined();
  expect(await host.throttled()).toBeUndefined();
  expect(host).toMatchObject({ serial: undefined, machineId: undefined });
  expect(host.model).toContain(os.type());
  expect((await host.memory())?.totalBytes).toBe(os.totalmem());
});
