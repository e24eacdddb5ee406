import type { Log } from "../../log.ts";
import type { OpenLink } from "../link/link.ts";
import type { LinkStep } from "../session/session.ts";

/** Topics whose last value the broker keeps: `state/<actuator>`, `fault/<sensor>`. */
export interface Retained extends LinkStep {
  /**
   * Publishes `payload` where it is another than before, now or on the next link. Empty: the topic is cleared, of what
   * an earlier run may have left there too.
   */
  set(topic: string, payload: string): void;
}

interface Value {
  readonly payload: string;
  /** Whether the broker has had it. */
  taken: boolean;
}

/** `link`: the one there is now, if any. */
export function createRetained(link: () => OpenLink | undefined, log: Log): Retained {
  const values = new Map<string, Value>();

  async function publish(to: OpenLink, topic: string, value: Value): Promise<void> {
    await to.publish({ topic, payload: value.payload, qos: 1, retain: true });
    value.taken = true;
  }

  /** A lost link needs no word: the next one gets the value. */
  function failed(to: OpenLink, topic: string, error: Error): void {
    if (!to.closed.aborted) log.error("a retained value was not taken", { topic, error: error.message });
  }

  return {
    name: "publishing the retained values",
    set(topic, payload) {
      if (values.get(topic)?.payload === payload) return;
      const value = { payload, taken: false };
      values.set(topic, value);
      const to = link();
      if (to) publish(to, topic, value).catch((error) => failed(to, topic, error));
    },
    async run(to) {
      // A value again on every link, as the broker may have lost it; there is nothing to lose of a cleared one.
      const due = [...values].filter(([, { payload, taken }]) => payload !== "" || !taken);
      await Promise.all(
        due.map(([topic, value]) => publish(to, topic, value).catch((error) => failed(to, topic, error))),
      );
    },
  };
}
