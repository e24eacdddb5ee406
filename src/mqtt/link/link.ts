export type { Incoming } from "../../sensors/messages.ts";

/** A message to the broker. */
export interface Outgoing {
  readonly topic: string;
  readonly payload: string | Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly correlationData?: Uint8Array;
  /** How long the broker may keep it for a consumer that is away (section 3.3.2.3.3), seconds. MQTT 5 only. */
  readonly expirySeconds?: number | undefined;
  /** For whoever routes or filters (section 3.3.2.3.7). MQTT 5 only. */
  readonly userProperties?: Readonly<Record<string, string>> | undefined;
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
  /**
   * Resolves on PUBACK (QoS 1), PUBCOMP (QoS 2) or when written (QoS 0). Rejects with a {@link PublishRefusedError}
   * where the broker will not have this message, with `closed.reason` when the link is lost first.
   */
  publish(message: Outgoing): Promise<void>;
  /** `qos`: at most this for what comes. Default: 1. */
  subscribe(filters: readonly string[], qos?: 0 | 1 | 2): Promise<void>;
  unsubscribe(filters: readonly string[]): Promise<void>;
}

/** What the owner of a link may do beside using it. */
export interface OpenLink extends Link {
  /** The broker's Maximum QoS (MQTT 5, section 3.2.2.3.4): a message with more is sent with this. */
  readonly maximumQos: 0 | 1 | 2;
  /** Whether the broker keeps retained messages (MQTT 5, section 3.2.2.3.5). */
  readonly retainAvailable: boolean;
  /** {@link publish} without a promise a message, for a flood of them. Calls `done` exactly once. */
  publishThen(message: Outgoing, done: (error?: Error) => void): void;
  /**
   * Says goodbye (DISCONNECT, so that no will is sent) and closes; gives up waiting after a second. With
   * `forgetSession` an MQTT 5 broker keeps nothing for this client (section 3.14.2.2.2).
   */
  end(options?: { readonly forgetSession?: boolean }): Promise<void>;
  /** Gives the connection up without a word, so that the broker sends the will. */
  abandon(reason: Error): void;
}

/** The broker, or a limit that it announced, refuses one message; the link goes on. */
export class PublishRefusedError extends Error {
  override readonly name = "PublishRefusedError";
  /** PUBACK reason code (MQTT 5, section 3.4.2.1). */
  readonly code: number;
  constructor(code: number, words: string) {
    super(`the broker refuses the message: ${words}`);
    this.code = code;
  }
}

/** The far end closed the link without a word. */
export class LinkClosedError extends Error {
  override readonly name = "LinkClosedError";
}

/** The broker ended the link for another client with the same client id (MQTT 5, section 3.1.4, [MQTT-3.1.4-3]). */
export class SessionTakenOverError extends Error {
  override readonly name = "SessionTakenOverError";
}

/** The broker's certificate begins in the future, by this machine's clock. */
export class CertificateNotYetValidError extends Error {
  override readonly name = "CertificateNotYetValidError";
}

/** The broker sends the client elsewhere (MQTT 5, section 4.11). */
export class ServerRedirectError extends Error {
  override readonly name = "ServerRedirectError";
  /** Server Reference: `host`, `host:port` or `[address]:port`, one or several. */
  readonly reference: string;
  constructor(reference: string) {
    super(`the broker sends this client to ${reference}`);
    this.reference = reference;
  }
}

/** The broker answered CONNECT with a refusal. */
export class ConnectionRefusedError extends Error {
  override readonly name = "ConnectionRefusedError";
  /** Reason code (MQTT 5, table 3-1) or return code (MQTT 3.1.1, section 3.2.2.3). */
  readonly code: number;
  constructor(code: number, words: string) {
    super(`the broker refuses the connection: ${words}`);
    this.code = code;
  }
}

/** The far end does not speak the version of MQTT that it was addressed in. */
export class UnsupportedVersionError extends Error {
  override readonly name = "UnsupportedVersionError";
  /** Whether it said so. Otherwise its silence suggests it, which a connection that broke looks like as well. */
  readonly stated: boolean;
  constructor(message: string, { stated, cause }: { stated: boolean; cause?: unknown }) {
    super(message, { cause });
    this.stated = stated;
  }
}
