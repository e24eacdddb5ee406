import { silentLog } from "../../log.ts";
import type { Server } from "../broker/server.ts";
import type { MqttSettings } from "../broker/settings.ts";
import { type LinkOptions, openLink } from "../link/connect.ts";
import type { Dial } from "../link/dial.ts";
import type { OpenLink } from "../link/link.ts";
import { createVersionChoice } from "./version-choice.ts";

export interface VisitorOptions
  extends Pick<LinkOptions, "clientId" | "connectTimeoutMs" | "answerTimeoutMs" | "onMessage" | "clock"> {
  readonly mqtt: Pick<MqttSettings, "version" | "username" | "password" | "keepalive">;
  readonly dial: Dial;
}

/**
 * Opens links with a node's settings beside the node itself. That takes a client id of its own: with the node's, the
 * broker would throw the node out, here or wherever it runs. Leaves neither a will nor a session at the broker.
 */
export function createVisitor({
  mqtt,
  dial,
  ...options
}: VisitorOptions): (server: Server, signal: AbortSignal) => Promise<OpenLink> {
  const open = (server: Server, version: 4 | 5, signal: AbortSignal) =>
    openLink(
      {
        ...options,
        server,
        version,
        username: mqtt.username,
        password: mqtt.password,
        keepaliveMs: mqtt.keepalive,
        sessionExpiryMs: 0,
        log: silentLog,
      },
      dial,
      signal,
    );
  const openLinkTo = createVersionChoice(mqtt.version, open, silentLog);
  return (server, signal) => openLinkTo(server, signal, undefined);
}
