import type { OpenLink } from "../../../src/mqtt/link/link.ts";

/** A link that takes everything at once, until `closing` aborts. */
export function closableLink(closing: AbortController, version: 4 | 5 = 5): OpenLink {
  return {
    version,
    receiveMaximum: 65_535,
    maximumPacketBytes: Number.POSITIVE_INFINITY,
    maximumQos: 2,
    retainAvailable: true,
    closed: closing.signal,
    publish: async () => {},
    publishThen: (_message, done) => done(),
    subscribe: async () => {},
    unsubscribe: async () => {},
    end: async () => {},
    abandon: (reason) => closing.abort(reason),
  };
}
