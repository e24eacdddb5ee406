import type { Duplex } from "node:stream";
import type { Log } from "../../log.ts";
import type { Server } from "../broker/server.ts";
import { type OpenLink, UnsupportedVersionError } from "../link/link.ts";

/** Makes one connection; over `way`, where there is a stream to that server already. */
export type Open = (
  server: Server,
  version: 4 | 5,
  signal: AbortSignal,
  way?: Duplex | undefined,
) => Promise<OpenLink>;

/** Opens a link in the version of MQTT that is wanted. `auto`: 5, and 3.1.1 with a server that does not speak it. */
export function createVersionChoice(
  version: "auto" | "3.1.1" | "5",
  open: Open,
  log: Log,
): (server: Server, signal: AbortSignal, way: Duplex | undefined) => Promise<OpenLink> {
  if (version !== "auto") return (server, signal, way) => open(server, version === "5" ? 5 : 4, signal, way);
  /** What has been learnt of each server in this process. */
  const learnt = new Map<Server, 4 | 5>();
  return async (server, signal, way) => {
    const known = learnt.get(server);
    try {
      const link = await open(server, known ?? 5, signal, way);
      learnt.set(server, link.version);
      return link;
    } catch (error) {
      if (!(error instanceof UnsupportedVersionError)) throw error;
      if (known !== undefined) {
        learnt.delete(server);
        throw error;
      }
      log.debug("falling back to MQTT 3.1.1", { error: error.message });
      const link = await open(server, 4, signal);
      // A link that broke while it was made must not cost MQTT 5 for good.
      if (error.stated) learnt.set(server, 4);
      return link;
    }
  };
}
