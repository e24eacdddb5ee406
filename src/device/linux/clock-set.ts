import { existsSync } from "node:fs";
import { join } from "node:path";
import { findAddon } from "./addon.ts";

/** systemd-timesyncd's runtime folder: there while it runs. */
const TIMESYNCD_FOLDER = "run/systemd/timesync";

/** A file in it, touched at each synchronisation (systemd-timesyncd.service(8), FILES). */
const SYNCHRONIZED = "synchronized";

/** This program is not older than that, so neither is any true time it runs at. */
const EARLIEST_TRUE_MS = Date.UTC(2026, 0, 1);

/** adjtimex(2): the clock is not, or no longer, kept by anybody. */
const STA_UNSYNC = 0x40;

/**
 * Whether the system clock has been set since the kernel booted.
 *
 * Who keeps it tells the kernel so (systemd-timesyncd, ntpd, chrony with `rtcsync`, as Debian configures it), and the
 * kernel's word counts. It takes it back when nobody has spoken up for some hours, and a process without the native
 * part cannot hear it. systemd-timesyncd, the default on Raspberry Pi OS and Debian, also leaves a file; while it runs,
 * that counts. A clock set by a battery-backed RTC or a hypervisor leaves no trace: without timesyncd a plausible date
 * counts as set. A board that has none of this and restores its last date at boot (fake-hwclock) is therefore
 * believed too early.
 */
export function clockIsSet(wallMs: number, root = "/", status = kernelStatus): boolean {
  const bits = status();
  if (bits !== undefined && (bits & STA_UNSYNC) === 0) return true;
  const folder = join(root, TIMESYNCD_FOLDER);
  if (existsSync(folder)) return existsSync(join(folder, SYNCHRONIZED));
  return wallMs >= EARLIEST_TRUE_MS;
}

/** The kernel's STA_ bits; undefined where they cannot be had: no native part, or a filter of system calls. */
function kernelStatus(): number | undefined {
  try {
    return findAddon()?.adjtimex().status;
  } catch {
    return undefined;
  }
}
