import { LinkClosedError, SessionTakenOverError } from "../link/link.ts";

/** How a link ended. */
export interface LinkEnd {
  readonly livedMs: number;
  readonly reason: Error;
}

/** Notices that a second client with the same client id and this one throw each other out. */
export interface RivalWatch {
  /** What to say of a link's end where a rival is, or seems to be, behind it; undefined where nothing hints at one. */
  suspect(end: LinkEnd): Error | undefined;
}

/** A rival that is thrown out comes back within seconds. */
const SHORT_LINK_MS = 10_000;

/** Links in a row that were closed so soon, before a rival is suspected. */
const SHORT_LINKS = 3;

/**
 * In MQTT 5 a broker can say so (section 3.1.4, [MQTT-3.1.4-3]), but mosquitto 2.0.11 does not; in 3.1.1 all that it can
 * do is close the connection. As that may have other reasons, it takes several links in a row that did not last.
 */
export function createRivalWatch(clientId: string): RivalWatch {
  let shortLinks = 0;
  return {
    suspect({ livedMs, reason }) {
      const closedSoon = reason instanceof LinkClosedError && livedMs < SHORT_LINK_MS;
      shortLinks = closedSoon ? shortLinks + 1 : 0;
      if (reason instanceof SessionTakenOverError)
        return new Error(`another client uses the client id "${clientId}": ${reason.message}`, {
          cause: reason,
        });
      if (shortLinks < SHORT_LINKS) return undefined;
      return new Error(
        `another client seems to use the client id "${clientId}": ${reason.message}, ${shortLinks} times in a row just after CONNACK`,
        { cause: reason },
      );
    },
  };
}
