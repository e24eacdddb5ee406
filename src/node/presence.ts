import type { Config } from "../config/config.ts";
import type { Clock } from "../device/clock.ts";
import type { Random } from "../device/random.ts";
import type { Log } from "../log.ts";
import type { Convention } from "../mqtt/convention/convention.ts";
import { openLink } from "../mqtt/link/connect.ts";
import type { Dial } from "../mqtt/link/dial.ts";
import type { Incoming, OpenLink } from "../mqtt/link/link.ts";
import { createSession, type LinkStep, type Session } from "../mqtt/session/session.ts";

export interface PresenceParts {
  readonly convention: Convention;
  readonly dial: Dial;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** What comes behind the convention's own steps on each new link, in this order. */
  readonly steps: readonly LinkStep[];
  receive(message: Incoming, link: OpenLink): Promise<void>;
  /** A broker has answered the subscriptions: commands can arrive. */
  onListening(link: OpenLink): void;
  /** Keeps a link within what the broker is known to take. */
  readonly limited: (link: OpenLink) => OpenLink;
}

/** The node's session with its broker, as the configuration wants it. */
export function createPresence({ mqtt }: Config, parts: PresenceParts): Session {
  const { convention, dial, clock, random, log } = parts;
  return createSession({
    servers: mqtt.url,
    clientId: mqtt.client_id,
    version: mqtt.version,
    open: async (server, protocolLevel, signal, way) => {
      const link = await openLink(
        {
          server,
          version: protocolLevel,
          clientId: mqtt.client_id,
          username: mqtt.username,
          password: mqtt.password,
          ...mqtt.readCredentials?.(),
          keepaliveMs: mqtt.keepalive,
          sessionExpiryMs: mqtt.session_expiry,
          will: () => convention.will(),
          willDelayMs: mqtt.will_delay,
          onMessage: parts.receive,
          clock,
          log,
        },
        way ? async () => way : dial,
        signal,
      );
      const limited = parts.limited(link);
      return convention.dress?.(limited) ?? limited;
    },
    dial,
    onListening: parts.onListening,
    subscriptions: convention.filters,
    steps: [...convention.steps, ...parts.steps],
    farewell: convention.farewell,
    reconnect: { minMs: mqtt.reconnect.min, maxMs: mqtt.reconnect.max },
    clock,
    random,
    log,
  });
}
