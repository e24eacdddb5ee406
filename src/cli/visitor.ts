import { readFile } from "node:fs/promises";
import type { Config } from "../config/config.ts";
import { linuxClock } from "../device/linux/clock.ts";
import { systemRandom } from "../device/linux/random.ts";
import { networkDial } from "../mqtt/link/dial.ts";
import type { Incoming, OpenLink } from "../mqtt/link/link.ts";
import { createVisitor } from "../mqtt/session/visitor.ts";
import { CliError, EXIT } from "./exit.ts";

/**
 * One connection with the node's own broker settings, beside the node. Brokers of the list are tried in turn. Throws a
 * {@link CliError} with why none would do.
 */
export async function visit(
  { mqtt }: Config,
  onMessage: (message: Incoming) => void,
  signal: AbortSignal,
): Promise<OpenLink> {
  const suffix = Math.floor(systemRandom() * 36 ** 6).toString(36);
  const open = createVisitor({
    mqtt,
    clientId: `${mqtt.client_id}-${suffix}`,
    dial: networkDial(mqtt.tls, (path) => readFile(path)),
    onMessage,
    clock: linuxClock(),
  });
  const reasons: string[] = [];
  for (const server of mqtt.url) {
    try {
      return await open(server, signal);
    } catch (error) {
      reasons.push((error as Error).message);
    }
  }
  throw new CliError(EXIT.failed, reasons.join("\n"));
}
