import { expect, test } from "vitest";
import { VirtualClock } from "../../../src/device/sim/clock.ts";
import { SimHost } from "../../../src/device/sim/host.ts";
import { World } from "../../../src/device/sim/world.ts";

test("the simulated host is what the world says of the place host, within what can be", async () => {
  const clock = new VirtualClock({ wallMs: 0, monotonicMs: 90_000 });
  const world = new World({ seed: 1, clock });
  const host = new SimHost({ world, clock });
  expect(host.uptimeMs()).toBe(90_000);
  expect(await host.throttled()).toBe(0);
  world.set("host.cpu_temperature", 81);
  world.set("host.throttled", 0x50005);
  world.set("host.load1", -1);
  world.set("host.disk_available", 1e15);
  expect(await host.cpuTemperature()).toBe(81);
  expect(await host.throttled()).toBe(0x50005);
  expect(await host.load1()).toBe(0);
  const disk = await host.disk();
  expect(disk.availableBytes).toBe(disk.totalBytes);
});
