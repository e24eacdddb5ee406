import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { linuxClock } from "../../src/device/linux/clock.ts";
import type { SimBoard } from "../../src/device/sim/board.ts";
import type { Diagnosis } from "../../src/doctor/check.ts";
import { CHECKS } from "../../src/doctor/checks.ts";
import { examine } from "../../src/doctor/examine.ts";
import type { Machine } from "../../src/doctor/machine.ts";
import type { Patient } from "../../src/doctor/patient.ts";
import { boardChooser } from "../../src/node/board.ts";

/** A file of a machine that is made up: what others write, and what its mode lets them do. */
interface MadeUp {
  text?: string;
  mode?: number;
  uid?: number;
  gid?: number;
  /** A link. */
  to?: string;
}

export type Files = Record<string, MadeUp>;

/** The service's user. */
export const NODE = 900;
const GID = { gpio: 993, i2c: 994, spi: 995, dialout: 20 };

export const SERVICE_CONFIG = "/etc/fieldpost/fieldpost.yaml";

export const YAML = `
device: { id: n1 }
mqtt: { url: "mqtt://127.0.0.1", username: n1, password: "\${file:/run/credentials/fieldpost.service/mqtt_password}" }
buffer: { path: /var/lib/fieldpost/outbox, tail: /run/fieldpost }
location: { time_zone: Europe/Berlin }
expanders: { relays: { chip: pcf8574 } }
sensors:
  - { id: air, driver: bme280 }
  - { id: rack, driver: hwmon, name: lm75 }
  - { id: tank, driver: ds18b20, wire_id: 28-00000a1b2c3d }
  - { id: door, driver: digital_input, pin: { header: 11 } }
  - { id: level, driver: mcp3008, channels: [{ name: level, input: ch0 }] }
  - { id: co2, driver: mh_z19, warm_up: 0s }
actuators:
  - { id: pump, driver: digital_output, pin: GPIO22 }
  - { id: fan, driver: pwm, channel: 0 }
  - { id: valve, driver: dac }
rules:
  - { id: day, when: { from: "08:00", until: "09:00" }, set: { pump: "on" } }
`;

/** A Raspberry Pi on which the packages' service is installed and everything is well. */
export function healthyFiles(yaml: string): Files {
  const device = (gid: number) => ({ mode: 0o660, uid: 0, gid });
  return {
    [SERVICE_CONFIG]: { text: yaml, mode: 0o640, gid: NODE },
    "/etc/fieldpost/credentials/mqtt_password": { text: "secret", mode: 0o600 },
    "/etc/hostname": { text: "north" },
    "/etc/machine-id": { text: "0123456789abcdef0123456789abcdef" },
    "/etc/passwd": { text: `root:x:0:0:root:/root:/bin/sh\nfieldpost:x:${NODE}:${NODE}::/:/sbin/nologin` },
    "/etc/group": {
      text: `gpio:x:${GID.gpio}:fieldpost\ni2c:x:${GID.i2c}:fieldpost\nspi:x:${GID.spi}:fieldpost\ndialout:x:20:fieldpost`,
    },
    "/proc/swaps": { text: "Filename Type Size Used Priority\n/dev/zram0 partition 1 0 100" },
    "/proc/cmdline": { text: "console=tty1 root=/dev/mmcblk0p2" },
    "/proc/100/comm": { text: "systemd-timesyn" },
    "/proc/self/mountinfo": {
      text: "1 0 179:2 / / rw,noatime - ext4 /dev/mmcblk0p2 rw\n2 1 0:5 / /run rw,nosuid - tmpfs tmpfs rw",
    },
    "/sys/class/watchdog/watchdog0/state": { text: "active" },
    "/sys/class/watchdog/watchdog0/identity": { text: "Broadcom BCM2835 Watchdog timer" },
    "/sys/class/watchdog/watchdog0/timeout": { text: "14" },
    "/sys/fs/cgroup/cgroup.controllers": { text: "cpu memory pids" },
    "/sys/class/rtc/rtc0/since_epoch": { text: "1795600000" },
    "/sys/class/rtc/rtc0/name": { text: "rtc-ds1307" },
    "/sys/dev/block/179:2": { to: "/sys/block/mmcblk0/mmcblk0p2" },
    "/sys/block/mmcblk0/mmcblk0p2/partition": { text: "2" },
    "/sys/block/mmcblk0/device/life_time": { text: "0x01 0x02" },
    "/sys/block/mmcblk0/device/pre_eol_info": { text: "0x01" },
    "/sys/fs/ext4/mmcblk0p2/errors_count": { text: "0" },
    "/var/lib/fieldpost/outbox": { mode: 0o750, uid: NODE, gid: NODE },
    "/var/log/journal": { mode: 0o755 },
    "/run/fieldpost": { mode: 0o750, uid: NODE, gid: NODE },
    "/run/systemd/system": { mode: 0o755 },
    "/dev/i2c-1": device(GID.i2c),
    "/dev/spidev0.0": device(GID.spi),
    "/dev/serial0": device(GID.dialout),
    "/sys/bus/w1/devices/w1_bus_master1": {},
    "/boot/firmware/config.txt": { text: "dtparam=i2c_arm=on\n" },
    "/usr/lib/systemd/system/fieldpost.service": {
      text: "[Service]\nUser=fieldpost\nExecStopPost=/usr/bin/fieldpost safe",
    },
    "/etc/systemd/system/multi-user.target.wants/fieldpost.service": { text: "" },
    "/etc/systemd/journald.conf.d/fieldpost.conf": { text: "[Journal]\nSystemMaxUse=32M" },
    "/sys/class/pwm/pwmchip0/npwm": { text: "2" },
  };
}

const root = mkdtempSync(join(tmpdir(), "fieldpost-doctor-"));
afterAll(() => rmSync(root, { recursive: true }));
let roots = 0;

/** What is read with the real file layer is below `root` as well. */
function madeUpMachine(files: Files): Machine {
  const folder = join(root, String(roots++));
  for (const [path, { text, to }] of Object.entries(files)) {
    if (!/^\/(sys\/class\/pwm|var\/lib)\//.test(path) || to !== undefined) continue;
    const place = join(folder, path);
    mkdirSync(text === undefined ? place : dirname(place), { recursive: true });
    if (text !== undefined) writeFileSync(place, text);
  }
  const isFolder = (path: string) =>
    path === "/" ||
    Object.keys(files).some((each) => each.startsWith(`${path}/`)) ||
    files[path]?.text === undefined;
  const find = (path: string) =>
    path in files || Object.keys(files).some((each) => each.startsWith(`${path}/`)) || path === "/";
  return {
    isLinux: true,
    root: folder,
    user: { name: "fieldpost", uid: NODE, groups: [NODE, ...Object.values(GID)] },
    nodeVersion: "24.1.0",
    text: async (path) => files[path]?.text,
    names: async (path) => [
      ...new Set(
        Object.keys(files).flatMap((each) =>
          each.startsWith(`${path}/`) ? (each.slice(path.length + 1).split("/")[0] ?? []) : [],
        ),
      ),
    ],
    facts: async (path) => {
      if (!find(path)) return undefined;
      const { mode = 0o755, uid = 0, gid = 0 } = files[path] ?? {};
      return { mode, uid, gid, isFolder: isFolder(path) && !path.startsWith("/dev/") };
    },
    real: async (path) => files[path]?.to ?? (find(path) ? path : undefined),
    space: async () => ({ freeBytes: 8e9, totalBytes: 16e9, freeFiles: 9e5, totalFiles: 1e6 }),
    loadAddon: () => ({}),
    kernelClock: () => ({ state: 0, status: 0, maxErrorUs: 1_000 }),
  };
}

/** What a test may break. */
export interface Breakable {
  files: Files;
  board: SimBoard;
  machine: { -readonly [K in keyof Machine]: Machine[K] };
  patient: { -readonly [K in keyof Patient]: Patient[K] };
}

export interface Treatment {
  readonly yaml?: string;
  readonly breakIt?: (it: Breakable) => void;
  readonly brokers?: (patient: Patient) => Patient["brokers"];
}

export type Found = Diagnosis & { readonly check: string };

/** What the doctor says of a node on which all is well but for what a test breaks. */
export async function diagnosed({
  yaml = YAML,
  breakIt = () => {},
  brokers,
}: Treatment = {}): Promise<readonly Found[]> {
  const readFile = (path: string) => (path.startsWith("/run/credentials/") ? "secret" : "");
  const loaded = await loadConfig(yaml, {
    file: SERVICE_CONFIG,
    dir: "/etc/fieldpost",
    env: {},
    machine: { hostname: "north" },
    readFile,
  } as never);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const { config, warnings } = loaded;
  const clock = { ...linuxClock(), synced: () => true };
  const { board, simulated } = (await boardChooser(true))(config, clock);
  const files = healthyFiles(yaml);
  const machine = madeUpMachine(files);
  const patient: Breakable["patient"] = {
    config,
    file: { path: SERVICE_CONFIG, text: yaml, warnings, isOfService: true },
    board,
    clock,
    simulated: false,
    machine,
    brokers: [],
    askTime: async () => ({ offsetMs: 3, roundTripMs: 20 }),
    runningNode: async () => ({ runs: false }),
  };
  breakIt({ files, board: simulated!.board, machine, patient });
  patient.brokers = brokers?.(patient) ?? [];
  const found: Found[] = [];
  for await (const { check, diagnoses } of examine(CHECKS, patient))
    found.push(...diagnoses.map((each) => ({ check: check.id, ...each })));
  await Promise.all([board.close(), ...patient.brokers.map((visit) => visit.end())]);
  return found;
}

/** Those that are not well. What is skipped is skipped because of them, or because no broker may be asked. */
export const unwell = (found: readonly Found[]) =>
  found.filter(({ verdict }) => verdict === "failed" || verdict === "warning");
