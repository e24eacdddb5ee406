import { readFileSync } from "node:fs";
import { loadAddon } from "../device/linux/addon.ts";
import type { Check, Diagnosis } from "./doctor.ts";

/** What of this process the board's checks depend on. */
export interface Machine {
  /** Of the user; 0 is root. */
  readonly uid: number;
  /** Numbers of the groups that the process is in. */
  readonly groups: readonly number[];
  /** The text of /etc/group. */
  readonly groupFile: string;
  loadAddon(): unknown;
}

/** The group that each kind of wire needs on Raspberry Pi OS. */
const GROUPS: Readonly<Record<string, string>> = { i2c: "i2c", spi: "spi", serial: "dialout", gpio: "gpio" };

/** Whether this user may reach the board at all: groups, and the native part. */
export const checkMachine: Check = async ({ config, simulated }) => {
  if (simulated || process.platform !== "linux") return [];
  const wires = new Set<string>(config.sensors.map(({ driver }) => driver.bus));
  if (config.actuators.length > 0) wires.add("gpio");
  return diagnoseMachine(wires, config.gpio.backend, {
    uid: process.getuid?.() ?? 0,
    groups: process.getgroups?.() ?? [],
    groupFile: readOr("/etc/group", ""),
    loadAddon,
  });
};

/** `wires`: those that the configuration uses. */
export function diagnoseMachine(
  wires: ReadonlySet<string>,
  gpioBackend: string,
  { uid, groups, groupFile, loadAddon }: Machine,
): readonly Diagnosis[] {
  const diagnoses: Diagnosis[] = [];
  for (const [wire, group] of Object.entries(GROUPS)) {
    const number = new RegExp(`^${group}:[^:]*:(\\d+):`, "m").exec(groupFile)?.[1];
    if (!wires.has(wire) || uid === 0 || number === undefined) continue;
    diagnoses.push(
      groups.includes(Number(number))
        ? { what: `group ${group}`, verdict: "ok", found: "this user is in it" }
        : {
            what: `group ${group}`,
            verdict: "failed",
            found: "this user is not in it",
            fix: `sudo usermod -aG ${group} $USER, then log in again`,
          },
    );
  }
  if (wires.has("gpio") && gpioBackend !== "sysfs") diagnoses.push(diagnoseAddon(loadAddon, gpioBackend));
  return diagnoses;
}

function diagnoseAddon(load: () => unknown, backend: string): Diagnosis {
  const what = "native part";
  try {
    load();
    return { what, verdict: "ok", found: "loads" };
  } catch (error) {
    // Without it auto falls back to sysfs, which can do less.
    return {
      what,
      verdict: backend === "cdev" ? "failed" : "warning",
      found: (error as Error).message,
      ...(backend === "auto" && {
        fix: "until then GPIO goes through sysfs: no pulls, no count of lost edges",
      }),
    };
  }
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return otherwise;
  }
}
