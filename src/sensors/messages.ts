/** A message from the broker. */
export interface Incoming {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retain: boolean;
  readonly qos: 0 | 1 | 2;
  /** MQTT 5 response topic (section 3.3.2.3.5), where the sender gave one. */
  readonly responseTopic?: string;
  /** MQTT 5 correlation data (section 3.3.2.3.6), to be sent back with the response. */
  readonly correlationData?: Uint8Array;
}

export interface PublishOptions {
  /** Default: 1. */
  readonly qos?: 0 | 1 | 2;
  /** Default: false. */
  readonly retain?: boolean;
  /**
   * Into the outbox, behind what waits there: it survives outages, restarts and power cuts as readings do, and is delivered
   * at least once. Default: false: it goes out now or not at all.
   */
  readonly buffered?: boolean;
}

export type MessageHandler = (message: Incoming) => void | Promise<void>;

/** Messages of the user's own code, over the node's session. */
export interface Messages {
  /**
   * Resolves when the broker has it (QoS 1: PUBACK, QoS 2: PUBCOMP, QoS 0: written); with `buffered`, when it is stored.
   * Rejects where there is no connection, where the broker refuses it, or the link is lost first.
   */
  publish(topic: string, payload: string | Uint8Array, options?: PublishOptions): Promise<void>;
  /**
   * Calls `handler` for every message that `filter` matches, until {@link unsubscribe}. Holds over reconnects. Resolves when
   * the broker has granted it, or at once while there is no connection; rejects where the broker does not grant it.
   */
  subscribe(filter: string, handler: MessageHandler, options?: { readonly qos?: 0 | 1 | 2 }): Promise<void>;
  /** All handlers of the filter. */
  unsubscribe(filter: string): Promise<void>;
  /** Called on each connection, when the node's own subscriptions stand. Returns how to stop that. */
  onConnect(listener: () => void): () => void;
  /** Called when a connection is lost or ended, with why. Returns how to stop that. */
  onConnectionLost(listener: (reason: Error) => void): () => void;
}

/** Where no node runs (`fieldpost read`, a dry run): what a connection that never comes would do. */
export const withoutNode: Messages = {
  publish: () =>
    Promise.reject(new Error("no node runs here, so nothing can be published; it can in fieldpost run")),
  subscribe: async () => {},
  unsubscribe: async () => {},
  onConnect: () => () => {},
  onConnectionLost: () => () => {},
};
