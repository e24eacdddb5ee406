import { type Clock, withDeadline } from "../../device/clock.ts";
import type { Log } from "../../log.ts";
import type { StoredMessage } from "../../record/message.ts";
import type { MessageHandler, Messages } from "../../sensors/messages.ts";
import { topicMatches } from "../convention/topics.ts";
import type { Incoming, OpenLink } from "../link/link.ts";
import type { LinkStep } from "../session/session.ts";

/** What one node lends: its link, its outbox. */
export interface MessageWay {
  link(): OpenLink | undefined;
  store(message: StoredMessage): void;
  /** What the node subscribes to itself: nobody unsubscribes it from that. */
  readonly own: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
}

/** {@link Messages} that outlive a node whose configuration is replaced. */
export interface MessageHub extends Messages {
  /** From now on messages go this way. */
  attach(way: MessageWay): LinkStep;
  /** Hands a message to those who wait for it. Never rejects. */
  dispatch(message: Incoming): Promise<void>;
  /** One handler of a filter. The broker is told where it was the filter's last, if there is a connection. */
  drop(filter: string, handler: MessageHandler): Promise<void>;
  /** What ends each lease. Those of a node that could not end them (killed, in a simulation) end when the next attaches. */
  readonly leases: Set<() => void>;
}

/** A handler that takes longer holds up the acknowledgement of commands no further. */
const HANDLER_MS = 30_000;

const MAX_TOPIC_BYTES = 65_535;

interface Subscription {
  qos: 0 | 1 | 2;
  readonly handlers: Set<MessageHandler>;
}

export function createMessageHub(): MessageHub {
  const subscriptions = new Map<string, Subscription>();
  const connected = new Set<() => void>();
  const lost = new Set<(reason: Error) => void>();
  const leases = new Set<() => void>();
  let way: MessageWay | undefined;

  async function hear<A extends readonly unknown[]>(
    listener: (...args: A) => unknown,
    ...args: A
  ): Promise<void> {
    try {
      await listener(...args);
    } catch (error) {
      way?.log.error("a connection listener failed", { error: String(error) });
    }
  }

  function tell<A extends readonly unknown[]>(listeners: Set<(...args: A) => void>, ...args: A): void {
    for (const listener of listeners) void hear(listener, ...args);
  }

  async function end(filter: string): Promise<void> {
    if (!subscriptions.delete(filter) || way?.own.includes(filter)) return;
    await way?.link()?.unsubscribe([filter]);
  }

  return {
    async publish(topic, payload, { qos = 1, retain = false, buffered = false } = {}) {
      checkTopic(topic);
      checkQos(qos);
      if (typeof payload !== "string" && !(payload instanceof Uint8Array))
        throw new TypeError("payload: expected a string or a Uint8Array");
      if (!way) throw new Error("the node does not run");
      if (buffered) {
        way.store({ topic, payload: Buffer.from(payload as Uint8Array), qos, retain });
        return;
      }
      const link = way.link();
      if (!link) throw new Error("no connection with the broker; { buffered: true } waits for one");
      await link.publish({ topic, payload, qos, retain });
    },
    async subscribe(filter, handler, { qos = 1 } = {}) {
      checkFilter(filter);
      checkQos(qos);
      const known = subscriptions.get(filter);
      const subscription = known ?? { qos, handlers: new Set() };
      subscription.handlers.add(handler);
      subscriptions.set(filter, subscription);
      if (known && known.qos >= qos) return;
      subscription.qos = qos;
      try {
        await way?.link()?.subscribe([filter], qos);
      } catch (error) {
        if (way?.link()) {
          subscription.handlers.delete(handler);
          if (subscription.handlers.size === 0 && subscriptions.get(filter) === subscription)
            subscriptions.delete(filter);
          throw error;
        }
        // The link was lost: the next one subscribes.
      }
    },
    unsubscribe: end,
    async drop(filter, handler) {
      const handlers = subscriptions.get(filter)?.handlers;
      if (handlers?.delete(handler) && handlers.size === 0) await end(filter);
    },
    onConnect(listener) {
      connected.add(listener);
      return () => connected.delete(listener);
    },
    onConnectionLost(listener) {
      lost.add(listener);
      return () => lost.delete(listener);
    },
    leases,
    attach(next) {
      for (const end of leases) end();
      way = next;
      return {
        name: "subscribing for the user's code",
        async run(link) {
          link.closed.addEventListener("abort", () => tell(lost, link.closed.reason as Error), {
            once: true,
          });
          for (const [filter, { qos }] of subscriptions) {
            await link.subscribe([filter], qos).catch((error: Error) => {
              if (!link.closed.aborted)
                next.log.error("a subscription was refused", { filter, error: error.message });
            });
          }
          if (!link.closed.aborted) tell(connected);
        },
      };
    },
    async dispatch(message) {
      const handlers = [...subscriptions].flatMap(([filter, { handlers }]) =>
        topicMatches(filter, message.topic) ? [...handlers] : [],
      );
      await Promise.all(
        handlers.map(async (handler) => {
          try {
            const handling = Promise.resolve(handler(message));
            if (way) await withDeadline(way.clock, "a message handler", HANDLER_MS, handling);
          } catch (error) {
            way?.log.error("a message handler failed", { topic: message.topic, error: String(error) });
          }
        }),
      );
    },
  };
}

/** MQTT 5, section 4.7. */
export function checkTopic(topic: string): void {
  if (typeof topic !== "string" || topic === "" || /[+#\0]/.test(topic))
    throw new TypeError("topic: expected a text without the wildcards + and #");
  if (Buffer.byteLength(topic) > MAX_TOPIC_BYTES) throw new RangeError("topic: longer than 65,535 bytes");
}

/** MQTT 5, section 4.7.1: # stands last and alone, + alone in its level. */
export function checkFilter(filter: string): void {
  const levels = typeof filter === "string" ? filter.split("/") : [];
  const wrong = levels.some(
    (level, at) =>
      (level.includes("#") && (level !== "#" || at !== levels.length - 1)) ||
      (level.includes("+") && level !== "+"),
  );
  if (levels.length === 0 || filter === "" || wrong || filter.includes("\0"))
    throw new TypeError(
      `topic filter ${JSON.stringify(filter)}: + stands for one whole level, # for all that follow`,
    );
}

function checkQos(qos: unknown): void {
  if (qos !== 0 && qos !== 1 && qos !== 2) throw new RangeError("qos: expected 0, 1 or 2");
}
