import { existsSync } from "node:fs";
import { join } from "node:path";

/** systemd-timesyncd's runtime folder: there while it runs. */
const TIMESYNCD_FOLDER = "run/systemd/timesync";

/** A file in it, touched at each synchronisation (systemd-timesyncd.service(8), FILES). */
const SYNCHRONIZED = "synchronized";

/** This program is not older than that, so neither is any true time it runs at. */
const EARLIEST_TRUE_MS = Date.UTC(2026, 0, 1);

/**
 * Whether the system clock has been set since the kernel booted.
 *
 * systemd-timesyncd, the default on Raspberry Pi OS and Debian, says so in a file; while it runs, its word counts.
 * chrony and ntpd leave nothing behind that an unprivileged process may read, and a clock set by a battery-backed RTC
 * or a hypervisor leaves nothing at all: without timesyncd a plausible date counts as set. A board that has neither a
 * battery nor timesyncd, and restores its last date at boot (fake-hwclock), is therefore believed too early.
 */
export function clockIsSet(wallMs: number, root = "/"): boolean {
  const folder = join(root, TIMESYNCD_FOLDER);
  if (existsSync(folder)) return existsSync(join(folder, SYNCHRONIZED));
  return wallMs >= EARLIEST_TRUE_MS;
}
