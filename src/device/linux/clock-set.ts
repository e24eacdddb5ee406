import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { findAddon } from "./addon.ts";

/** systemd-timesyncd's runtime folder: there while it runs. */
const TIMESYNCD_FOLDER = "run/systemd/timesync";

/** A file in it, touched at each synchronisation (systemd-timesyncd.service(8), FILES). */
const SYNCHRONIZED = "synchronized";

/** Runtime folders of daemons that tell the kernel when they have set the clock: chrony with `rtcsync`, ntpsec, ntpd. */
const DAEMONS = ["run/chrony", "run/ntpd.pid", "run/openntpd.pid"];

/** The kernel sets its clock by this battery clock at boot (Documentation/ABI/testing/sysfs-class-rtc, hctosys). */
const RTCS = "sys/class/rtc";

/** Where the package fake-hwclock keeps the time of the last shutdown, to boot with: a plausible date that is wrong. */
const FAKE_CLOCK = "etc/fake-hwclock.data";

/** This program is not older than that, so neither is any true time it runs at. */
const EARLIEST_TRUE_MS = Date.UTC(2026, 0, 1);

/** adjtimex(2): the clock is not, or no longer, kept by anybody. */
const STA_UNSYNC = 0x40;

/** Whether the clock is set, and whether somebody has said so. */
export interface ClockState {
  readonly isSet: boolean;
  /** False: guessed from the date, because nobody could be asked. */
  readonly isKnown: boolean;
}

/**
 * Whether the system clock has been set since the kernel booted, by the best that can be had, in this order:
 *
 * 1. The kernel. Who keeps the clock tells it so (systemd-timesyncd, ntpd, chrony with `rtcsync`, as Debian configures
 *    it). It takes its word back when nobody has spoken up for some hours, and a process without the native part cannot
 *    hear it.
 * 2. The file that systemd-timesyncd leaves, the default on Raspberry Pi OS and Debian; while it runs, that counts.
 * 3. Another daemon that runs and would have told the kernel: then not yet. (chrony without `rtcsync` never does.)
 * 4. A battery-backed clock by which the kernel set its own at boot.
 * 5. Nobody keeps the clock: a plausible date counts, for somebody must have set it, unless the machine boots with the
 *    date of its last shutdown (fake-hwclock).
 */
export function clockState(wallMs: number, root = "/", status = kernelStatus): ClockState {
  const known = (isSet: boolean): ClockState => ({ isSet, isKnown: true });
  const bits = status();
  if (bits !== undefined && (bits & STA_UNSYNC) === 0) return known(true);
  const folder = join(root, TIMESYNCD_FOLDER);
  if (existsSync(folder)) return known(existsSync(join(folder, SYNCHRONIZED)));
  if (bits !== undefined && DAEMONS.some((daemon) => existsSync(join(root, daemon)))) return known(false);
  const isPlausible = wallMs >= EARLIEST_TRUE_MS;
  if (isPlausible && setByBattery(root)) return known(true);
  return { isSet: isPlausible && !existsSync(join(root, FAKE_CLOCK)), isKnown: false };
}

function setByBattery(root: string): boolean {
  try {
    const folder = join(root, RTCS);
    return readdirSync(folder).some(
      (name) => readFileSync(join(folder, name, "hctosys"), "utf8").trim() === "1",
    );
  } catch {
    return false;
  }
}

/** The kernel's STA_ bits; undefined where they cannot be had: no native part, or a filter of system calls. */
function kernelStatus(): number | undefined {
  try {
    return findAddon()?.adjtimex().status;
  } catch {
    return undefined;
  }
}
