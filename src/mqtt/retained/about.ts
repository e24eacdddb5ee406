import type { Clock } from "../../device/clock.ts";
import type { Log } from "../../log.ts";
import type { Incoming, OpenLink } from "../link/link.ts";
import type { LinkStep } from "../session/session.ts";
import { createRetainedLook } from "./look.ts";

/** The node's description of itself, which the broker keeps. It is long, so it is sent only where it is news. */
export interface About extends LinkStep {
  set(payload: string): void;
  /** Publishes it whatever the broker has: somebody asked. */
  publish(): Promise<void>;
  /** Takes a message of the about topic; false where it is another's. */
  offer(message: Incoming): boolean;
}

export interface AboutOptions {
  readonly topic: string;
  /** The link there is now, if any. */
  readonly link: () => OpenLink | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export function createAbout({ topic, link, clock, log }: AboutOptions): About {
  let payload: string | undefined;
  const look = createRetainedLook(topic, clock);

  const publishOn = (to: OpenLink, text: string) =>
    to.publish({ topic, payload: text, qos: 1, retain: true });

  async function announce(to: OpenLink): Promise<void> {
    const retained = await look.ask(to).catch((error) => {
      log.debug("cannot see the retained description", { topic, error: (error as Error).message });
      return undefined;
    });
    if (payload !== undefined && payload !== retained && !to.closed.aborted) await publishOn(to, payload);
  }

  const failed = (error: Error) =>
    log.debug("the description was not published", { topic, error: error.message });

  return {
    name: "announcing the node",
    set(text) {
      if (text === payload) return;
      payload = text;
      const to = link();
      if (to) publishOn(to, text).catch(failed);
    },
    async publish() {
      const to = link();
      if (to && payload !== undefined) await publishOn(to, payload);
    },
    offer: look.offer,
    async run(to) {
      // Beside the other steps: the records must not wait for a broker that has nothing to show.
      announce(to).catch(failed);
    },
  };
}
