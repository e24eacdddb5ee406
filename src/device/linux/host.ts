import { readFileSync } from "node:fs";
import { statfs } from "node:fs/promises";
import os from "node:os";
import { join } from "node:path";
import type { Host } from "../host.ts";
import type { TextFiles } from "./text-files.ts";

export interface LinuxHostOptions {
  readonly files: TextFiles;
  /** The folder that stands for `/`; the same that `files` reads below. */
  readonly root?: string;
}

/** Zones that are the processor, by the kernel's name for them: Raspberry Pi, x86, others. */
const CPU_ZONES = ["cpu-thermal", "x86_pkg_temp", "cpu_thermal", "soc-thermal", "acpitz"];

/** The machine as /proc and /sys tell of it, and as Node does where they do not exist. */
export function linuxHost({ files, root = "/" }: LinuxHostOptions): Host {
  const identity = (path: string) => readOnce(join(root, path));
  let cpuZone: string | undefined;
  return {
    model:
      identity("proc/device-tree/model") ??
      identity("sys/class/dmi/id/product_name") ??
      `${os.type()} ${os.machine()}`,
    revision:
      /^Revision\s*:\s*([0-9a-f]+)$/m.exec(readOnce(join(root, "proc/cpuinfo")) ?? "")?.[1] ??
      revisionWord(join(root, "proc/device-tree/system/linux,revision")),
    serial: identity("proc/device-tree/serial-number"),
    hostname: os.hostname(),
    machineId: identity("etc/machine-id"),
    uptimeMs: () => os.uptime() * 1000,
    async cpuTemperature() {
      cpuZone ??= await findCpuZone(files);
      return cpuZone === undefined ? undefined : milliCelsius(read(files, cpuZone));
    },
    load1: () => load1(files),
    memory: () => memory(files),
    disk: (path) => disk(path),
    signalDbm: () => signalDbm(files),
    throttled: () => throttled(files),
  };
}

/** The file with the processor's temperature; undefined where no zone is one. */
async function findCpuZone(files: TextFiles): Promise<string | undefined> {
  const folder = "sys/class/thermal";
  const zones = (await list(files, folder)).filter((name) => name.startsWith("thermal_zone"));
  const types = zones.map((zone) => read(files, `${folder}/${zone}/type`));
  const named = CPU_ZONES.map((type) => zones[types.indexOf(type)]).find((zone) => zone !== undefined);
  const zone = named ?? zones[0];
  return zone === undefined ? undefined : `${folder}/${zone}/temp`;
}

function milliCelsius(text: string | undefined): number | undefined {
  return text === undefined ? undefined : finite(Number(text) / 1000);
}

async function load1(files: TextFiles): Promise<number | undefined> {
  const text = read(files, "proc/loadavg");
  if (text !== undefined) return finite(Number.parseFloat(text));
  // Windows has no load average, and Node then says 0.
  return os.platform() === "win32" ? undefined : os.loadavg()[0];
}

/** `MemAvailable` is the kernel's own estimate of what can be had without swapping (proc(5)); "kB" there is 1024. */
async function memory(files: TextFiles): ReturnType<Host["memory"]> {
  const text = read(files, "proc/meminfo");
  if (text === undefined) return { totalBytes: os.totalmem(), availableBytes: os.freemem() };
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1]) * 1024;
  const known = { totalBytes: bytes("MemTotal"), availableBytes: bytes("MemAvailable") };
  return Number.isNaN(known.totalBytes + known.availableBytes) ? undefined : known;
}

/** Of the first wireless interface; the kernel's columns are interface, status, link quality, level, noise, ... */
async function signalDbm(files: TextFiles): Promise<number | undefined> {
  const text = read(files, "proc/net/wireless");
  const [, level] = /^\s*\S+:\s+\S+\s+\S+\s+(-?\d+)/m.exec(text ?? "") ?? [];
  return level === undefined ? undefined : Number(level);
}

async function disk(path: string): ReturnType<Host["disk"]> {
  try {
    const { blocks, bavail, bsize } = await statfs(path);
    return { totalBytes: blocks * bsize, availableBytes: bavail * bsize };
  } catch {
    return undefined;
  }
}

/** Hexadecimal without prefix; below `soc` up to Raspberry Pi 4, `soc@...` on 5 (raspberrypi/linux, drivers/firmware). */
async function throttled(files: TextFiles): Promise<number | undefined> {
  const platform = "sys/devices/platform";
  for (const soc of (await list(files, platform)).filter((name) => /^soc(@|$)/.test(name))) {
    for (const firmware of (await list(files, `${platform}/${soc}`)).filter((name) =>
      /:firmware$/.test(name),
    )) {
      const word = read(files, `${platform}/${soc}/${firmware}/get_throttled`);
      if (word !== undefined) return finite(Number.parseInt(word, 16));
    }
  }
  return undefined;
}

function finite(value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined;
}

function read(files: TextFiles, path: string): string | undefined {
  try {
    return files.readNow(path);
  } catch {
    return undefined;
  }
}

function list(files: TextFiles, path: string): Promise<readonly string[]> {
  return files.list(path).catch(() => []);
}

/** The same code as the firmware hands it to the kernel: a big-endian word. */
function revisionWord(path: string): string | undefined {
  try {
    return readFileSync(path).readUInt32BE(0).toString(16);
  } catch {
    return undefined;
  }
}

/** Undefined where the file is missing, unreadable or empty. */
function readOnce(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").replace(/[\0\s]+$/, "") || undefined;
  } catch {
    return undefined;
  }
}
