import { readFile } from "node:fs/promises";
import type { Config } from "../config/config.ts";
import { linuxClock } from "../device/linux/clock.ts";
import { systemRandom } from "../device/linux/random.ts";
import { silentLog } from "../log.ts";
import { openLink } from "../mqtt/link/connect.ts";
import { networkDial } from "../mqtt/link/dial.ts";
import { type Incoming, type OpenLink, UnsupportedVersionError } from "../mqtt/link/link.ts";
import { CliError, EXIT } from "./exit.ts";

/**
 * One connection with the node's own broker settings, beside the node: under a client id of its own, or the broker would
 * throw the running node out. Brokers of the list are tried in turn. Throws a {@link CliError} with why none would do.
 */
export async function visit(
  { mqtt }: Config,
  onMessage: (message: Incoming) => void,
  signal: AbortSignal,
): Promise<OpenLink> {
  const dial = networkDial(mqtt.tls, (path) => readFile(path));
  const suffix = Math.floor(systemRandom() * 36 ** 6).toString(36);
  const clientId = `${mqtt.client_id}-${suffix}`;
  const reasons: string[] = [];
  for (const server of mqtt.url) {
    const attempt = (version: 4 | 5) =>
      openLink(
        {
          server,
          version,
          clientId,
          username: mqtt.username,
          password: mqtt.password,
          keepaliveMs: mqtt.keepalive,
          sessionExpiryMs: 0,
          onMessage,
          clock: linuxClock(),
          log: silentLog,
        },
        dial,
        signal,
      );
    try {
      return await attempt(mqtt.version === "3.1.1" ? 4 : 5).catch((error) => {
        if (mqtt.version !== "auto" || !(error instanceof UnsupportedVersionError)) throw error;
        return attempt(4);
      });
    } catch (error) {
      reasons.push((error as Error).message);
    }
  }
  throw new CliError(EXIT.failed, reasons.join("\n"));
}
