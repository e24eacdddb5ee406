/** A message from the broker. */
export interface Incoming {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retain: boolean;
  /** MQTT 5 response topic (section 3.3.2.3.5), where the sender gave one. */
  readonly responseTopic?: string;
  /** MQTT 5 correlation data (section 3.3.2.3.6), to be sent back with the response. */
  readonly correlationData?: Uint8Array;
}

/** A message to the broker. */
export interface Outgoing {
  readonly topic: string;
  readonly payload: string | Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly correlationData?: Uint8Array;
}

/** One connection with the broker, from its CONNACK until it is lost. Never reconnects: the session makes another. */
export interface Link {
  /** MQTT protocol level: 4 is 3.1.1, 5 is 5.0. */
  readonly version: 4 | 5;
  /** The broker's Receive Maximum (MQTT 5, section 3.2.2.3.3); 65,535 where it announced none. */
  readonly receiveMaximum: number;
  /** The broker's Maximum Packet Size (MQTT 5, section 3.2.2.3.6), bytes; Infinity where it announced none. */
  readonly maximumPacketBytes: number;
  /** Aborts when the connection is gone; its `reason` says why. */
  readonly closed: AbortSignal;
  /** Resolves on PUBACK (QoS 1), PUBCOMP (QoS 2) or when written (QoS 0). Rejects when the link is lost first. */
  publish(message: Outgoing): Promise<void>;
  subscribe(filters: readonly string[]): Promise<void>;
  unsubscribe(filters: readonly string[]): Promise<void>;
}
