import { spawnSync } from "node:child_process";
import os from "node:os";
import { delimiter } from "node:path";

/** What the figures were measured on. */
export function machine(folder: string): Record<string, string | number> {
  return {
    cpu: os.cpus()[0]?.model.trim() ?? "unknown",
    cores: os.availableParallelism(),
    node: process.version,
    kernel: `${os.type()} ${os.release()} ${os.arch()}`,
    mosquitto: mosquittoVersion(),
    disk: fileSystemOf(folder),
  };
}

function mosquittoVersion(): string {
  // Debian puts it into /usr/sbin, which is not on every user's PATH.
  const PATH = [process.env["PATH"], "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"].join(delimiter);
  const { stdout } = spawnSync("mosquitto", ["-h"], { encoding: "utf8", env: { ...process.env, PATH } });
  return /mosquitto version (\S+)/.exec(stdout ?? "")?.[1] ?? "not found";
}

function fileSystemOf(folder: string): string {
  const { stdout } = spawnSync("df", ["--output=fstype", folder], { encoding: "utf8" });
  return stdout?.trim().split("\n").at(-1) ?? "unknown";
}
