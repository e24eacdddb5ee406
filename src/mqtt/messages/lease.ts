import type { Log } from "../../log.ts";
import type { MessageHandler, Messages } from "../../sensors/messages.ts";
import type { MessageHub } from "./hub.ts";

/** {@link Messages} for as long as their user lives. */
export interface Lease {
  readonly messages: Messages;
  /** Takes back every subscription and listener; whatever is asked from now on is refused. */
  end(): void;
}

/** Lends the node's messages to `user`, which cannot touch the subscriptions of others. */
export function leaseMessages(hub: MessageHub, user: string, log: Log): Lease {
  const handlers = new Map<string, Set<MessageHandler>>();
  const listening = new Set<() => void>();
  let hasEnded = false;

  /** A caller who does not look at the promise must not end the process: Node.js ends at a rejection nobody handles. */
  function kept(work: () => Promise<void>): Promise<void> {
    const done = hasEnded ? Promise.reject(new Error(`${user} is closed`)) : work();
    done.catch((error: unknown) => log.debug("a message's request failed", { user, error: String(error) }));
    return done;
  }

  function listen(begin: () => () => void): () => void {
    if (hasEnded) return () => {};
    const stop = begin();
    const end = () => {
      stop();
      listening.delete(end);
    };
    listening.add(end);
    return end;
  }

  async function drop(filter: string): Promise<void> {
    const dropped = handlers.get(filter) ?? [];
    handlers.delete(filter);
    await Promise.all([...dropped].map((handler) => hub.drop(filter, handler)));
  }

  function end(): void {
    hasEnded = true;
    hub.leases.delete(end);
    for (const stop of listening) stop();
    for (const filter of [...handlers.keys()]) drop(filter).catch(() => {});
  }

  hub.leases.add(end);
  return {
    messages: {
      publish: (...message) => kept(() => hub.publish(...message)),
      subscribe: (filter, handler, options) =>
        kept(async () => {
          // Its own even where two sensors give the same function.
          const own: MessageHandler = (message) => handler(message);
          const mine = handlers.get(filter) ?? new Set();
          handlers.set(filter, mine.add(own));
          try {
            await hub.subscribe(filter, own, options);
          } catch (error) {
            mine.delete(own);
            throw error;
          }
        }),
      unsubscribe: (filter) => kept(() => drop(filter)),
      onConnect: (listener) => listen(() => hub.onConnect(listener)),
      onConnectionLost: (listener) => listen(() => hub.onConnectionLost(listener)),
    },
    end,
  };
}
