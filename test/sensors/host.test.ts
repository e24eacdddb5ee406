import { readFileSync, statfsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { linuxHost } from "../../src/device/linux/host.ts";
import { textFiles } from "../../src/device/linux/text-files.ts";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { SimHost } from "../../src/device/sim/host.ts";
import { World } from "../../src/device/sim/world.ts";
import { host } from "../../src/sensors/host.ts";

const clock = new VirtualClock({ wallMs: 0, monotonicMs: 3_600_000 });

describe("this machine as a sensor", () => {
  test("reports what /proc and the file system state", async () => {
    const sensor = await host.open(linuxHost({ files: textFiles() }), { disk: "/" });
    const reading = await sensor.read();
    const meminfo = readFileSync("/proc/meminfo", "utf8");
    const kibibytes = (name: string) => Number(new RegExp(`${name}: +(\\d+)`).exec(meminfo)?.[1]);
    const { blocks, bavail } = statfsSync("/");
    expect(reading).toMatchObject({
      load_1m: expect.closeTo(Number(readFileSync("/proc/loadavg", "utf8").split(" ")[0]), 0),
      memory_used: expect.any(Number),
      disk_free: expect.closeTo((100 * bavail) / blocks, 0),
      uptime: expect.closeTo(Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]), -1),
    });
    const memoryUsed = 100 * (1 - kibibytes("MemAvailable") / kibibytes("MemTotal"));
    expect(Math.abs((reading["memory_used"] as number) - memoryUsed)).toBeLessThan(10);
  });

  test("leaves out what the machine does not tell", async () => {
    const silent = {
      ...linuxHost({ files: textFiles("/no/such/root"), root: "/no/such/root" }),
      memory: async () => undefined,
      load1: async () => undefined,
    };
    const sensor = await host.open(silent, { disk: "/no/such/folder" });
    expect(Object.keys(await sensor.read())).toEqual(["uptime"]);
  });
});

test("a simulated Raspberry Pi reports every field", async () => {
  const world = new World({ seed: 1, clock });
  world.set("cpu_temperature", 48.3);
  world.set("load1", 0.25);
  world.set("memory_available", 256 * 1024 ** 2);
  world.set("disk_available", 4e9);
  const sensor = await host.open(new SimHost({ world, clock }), { disk: "/" });
  expect(await sensor.read()).toEqual({
    cpu_temperature: 48.3,
    load_1m: 0.25,
    memory_used: 75,
    disk_free: 25,
    uptime: 3_600,
  });
  expect(Object.keys(host.fields)).toEqual(Object.keys(await sensor.read()));
});
