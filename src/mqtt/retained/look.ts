import type { Clock } from "../../device/clock.ts";
import type { Incoming, OpenLink } from "../link/link.ts";

/** How long the broker may take to show what it has retained, after it has acknowledged the subscription. */
const RETAINED_MS = 2_000;

/** Looks at what the broker has retained under one topic. */
export interface RetainedLook {
  /**
   * Undefined where it has nothing, or does not say in time. `asked` is called when the broker has taken the question:
   * what is published from then on is not what it answers.
   */
  ask(to: OpenLink, asked?: () => void): Promise<string | undefined>;
  /** Takes a message of the topic; false where it is another's. */
  offer(message: Incoming): boolean;
}

export function createRetainedLook(topic: string, clock: Clock): RetainedLook {
  let shown: ((text: string) => void) | undefined;
  return {
    async ask(to, asked) {
      const answered = new AbortController();
      let text: string | undefined;
      shown = (retained) => {
        text = retained;
        answered.abort();
      };
      await to.subscribe([topic]);
      asked?.();
      await clock.sleep(RETAINED_MS, AbortSignal.any([answered.signal, to.closed]));
      shown = undefined;
      await to.unsubscribe([topic]);
      return text;
    },
    offer(message) {
      if (message.topic !== topic) return false;
      if (message.retain) shown?.(Buffer.from(message.payload).toString());
      return true;
    },
  };
}
