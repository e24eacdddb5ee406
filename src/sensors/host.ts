import * as v from "valibot";
import type { Host } from "../device/host.ts";
import { defineDriver } from "./driver.ts";

const options = {
  /** A folder on the file system to watch. */
  disk: v.optional(v.string(), "/"),
};

/** The machine itself as a sensor. What it does not tell is left out of a reading. */
export const host = defineDriver({
  name: "host",
  bus: "host",
  chip: "Linux",
  description: "The board itself: processor temperature, load, memory, disk, uptime",
  datasheet: "proc(5), sysfs(5)",
  fields: {
    cpu_temperature: { unit: "°C", precision: 1, deviceClass: "temperature" },
    load_1m: { unit: "", precision: 2 },
    memory_used: { unit: "%", precision: 1 },
    disk_free: { unit: "%", precision: 1 },
    uptime: { unit: "s", precision: 0, deviceClass: "duration", stateClass: "total_increasing" },
  },
  options,
  async open(host, options) {
    return { read: () => readHost(host, options.disk) };
  },
});

async function readHost(host: Host, diskPath: string): Promise<Record<string, number>> {
  const [cpuTemperature, load1, memory, disk] = await Promise.all([
    host.cpuTemperature(),
    host.load1(),
    host.memory(),
    host.disk(diskPath),
  ]);
  return {
    ...(cpuTemperature !== undefined && { cpu_temperature: cpuTemperature }),
    ...(load1 !== undefined && { load_1m: load1 }),
    ...(memory && { memory_used: 100 * (1 - memory.availableBytes / memory.totalBytes) }),
    ...(disk && { disk_free: (100 * disk.availableBytes) / disk.totalBytes }),
    uptime: host.uptimeMs() / 1000,
  };
}
