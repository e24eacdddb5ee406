import type { Clock } from "../device/clock.ts";
import type { Log } from "../log.ts";
import type { Incoming, OpenLink } from "./link.ts";
import type { LinkStep } from "./session.ts";

/** The node's description of itself, which the broker keeps. It is long, so it is sent only where it is news. */
export interface About extends LinkStep {
  set(payload: string): void;
  /** Publishes it whatever the broker has: somebody asked. */
  publish(): Promise<void>;
  /** Takes a message of the about topic; false where it is another's. */
  offer(message: Incoming): boolean;
}

/** How long the broker may take to show what it has retained, after it has acknowledged the subscription. */
const RETAINED_MS = 2_000;

export interface AboutOptions {
  readonly topic: string;
  /** The link there is now, if any. */
  readonly link: () => OpenLink | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export function createAbout({ topic, link, clock, log }: AboutOptions): About {
  let payload: string | undefined;
  let shown: ((text: string) => void) | undefined;

  const publishOn = (to: OpenLink, text: string) =>
    to.publish({ topic, payload: text, qos: 1, retain: true });

  /** What the broker has: undefined where it has nothing, or does not say in time. */
  async function ask(to: OpenLink): Promise<string | undefined> {
    const answered = new AbortController();
    let text: string | undefined;
    shown = (retained) => {
      text = retained;
      answered.abort();
    };
    await to.subscribe([topic]);
    await clock.sleep(RETAINED_MS, AbortSignal.any([answered.signal, to.closed]));
    shown = undefined;
    await to.unsubscribe([topic]);
    return text;
  }

  async function announce(to: OpenLink): Promise<void> {
    const retained = await ask(to).catch((error) => {
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
    offer(message) {
      if (message.topic !== topic) return false;
      if (message.retain) shown?.(Buffer.from(message.payload).toString());
      return true;
    },
    async run(to) {
      // Beside the other steps: the records must not wait for a broker that has nothing to show.
      announce(to).catch(failed);
    },
  };
}
