import type { Duplex } from "node:stream";
import type { IClientPublishOptions, IConnackPacket, IPublishPacket, MqttClient } from "mqtt";
import mqttPacket from "mqtt-packet";
import { withDeadline } from "../../device/clock.ts";
import type { LinkOptions } from "./connect.ts";
import { keepAlive } from "./keepalive.ts";
import {
  type Incoming,
  LinkClosedError,
  type OpenLink,
  type Outgoing,
  PublishRefusedError,
  SessionTakenOverError,
} from "./link.ts";
import {
  inWords,
  PACKET_TOO_LARGE,
  redirectIn,
  SESSION_TAKEN_OVER,
  TOPIC_NAME_INVALID,
} from "./reason-codes.ts";

export interface ClientLinkOptions extends LinkOptions {
  readonly client: MqttClient;
  readonly stream: Duplex;
  readonly connack: IConnackPacket;
}

const FAREWELL_MS = 1_000;

/** However short the keep alive interval, a broker may take this long over a PUBACK. */
const MIN_ANSWER_MS = 20_000;

/** How many keep alive intervals a broker may take over a PUBACK. */
const ANSWER_INTERVALS = 2;

/** A request to the broker that waits for its answer. */
interface Pending {
  /** Quarters of the keep alive interval that the link was old when the request went out. */
  readonly quarters: number;
  readonly settle: (error?: Error) => void;
}

/** The link on top of a client that has received CONNACK. */
export function createLink(options: ClientLinkOptions): OpenLink {
  const { client, stream, connack, clock, log } = options;
  const limits = limitsOf(connack);
  const closing = new AbortController();
  /** In the order they were made: the first has waited longest. */
  const pending = new Set<Pending>();
  const traffic = { sent: 0, received: 0 };
  let quarters = 0;
  /** When the oldest request became the oldest: until then it may have waited its turn on a slow link. */
  let oldestSinceQuarters = 0;
  let lastWords: Error | undefined;

  function close(reason: Error): void {
    if (closing.signal.aborted) return;
    closing.abort(reason);
    const unanswered = [...pending];
    pending.clear();
    for (const { settle } of unanswered) settle(reason);
    stream.destroy();
    client.end(true);
  }

  /** Makes a request whose answer calls back, and sees to it that it is called back once whatever happens. */
  function request(
    make: (answer: (error?: Error | null) => void) => void,
    done: (error?: Error) => void,
  ): void {
    if (closing.signal.aborted) {
      done(closing.signal.reason as Error);
      return;
    }
    const entry: Pending = { quarters, settle: done };
    pending.add(entry);
    make((error) => {
      const [oldest] = pending;
      if (!pending.delete(entry)) return;
      if (entry === oldest) oldestSinceQuarters = quarters;
      done(error ?? undefined);
    });
  }

  const requested = (make: (answer: (error?: Error | null) => void) => void) =>
    new Promise<void>((resolve, reject) => request(make, (error) => (error ? reject(error) : resolve())));

  function publishThen(message: Outgoing, done: (error?: Error) => void): void {
    const fault = faultOf(message, limits);
    if (fault !== undefined) {
      done(new PublishRefusedError(fault, inWords(fault)));
      return;
    }
    request(
      (answer) =>
        client.publish(
          message.topic,
          message.payload as string | Buffer,
          publishOptions(message, limits),
          answer,
        ),
      (error) => done(error && asRefusal(error)),
    );
  }

  const link: OpenLink = {
    version: options.version,
    receiveMaximum: limits.receiveMaximum,
    maximumPacketBytes: limits.maximumPacketBytes,
    maximumQos: limits.maximumQos,
    retainAvailable: limits.retainAvailable,
    closed: closing.signal,
    publishThen,
    publish: (message) =>
      new Promise((resolve, reject) => publishThen(message, (error) => (error ? reject(error) : resolve()))),
    subscribe: (filters, qos = 1) =>
      // Retain As Published (MQTT 5, section 3.8.3.1): otherwise a retained command sent while we listen would look fresh.
      requested((answer) =>
        client.subscribe([...filters], { qos, ...(options.version === 5 && { rap: true }) }, (error) =>
          answer(error),
        ),
      ),
    unsubscribe: (filters) =>
      requested((answer) => client.unsubscribe([...filters], (error) => answer(error ?? null))),
    abandon: close,
    async end({ forgetSession = false } = {}) {
      if (closing.signal.aborted) return;
      const gone = new Promise<void>((resolve) => stream.once("close", resolve));
      const properties = forgetSession && options.version === 5 ? { sessionExpiryInterval: 0 } : undefined;
      mqttPacket.writeToStream({ cmd: "disconnect", ...(properties && { properties }) }, stream, {
        protocolVersion: options.version,
      });
      stream.end();
      await withDeadline(clock, "the farewell", FAREWELL_MS, gone).catch(() => {});
      close(new Error("the node ended the connection"));
    },
  };

  client.on("packetsend", () => void traffic.sent++);
  client.on("packetreceive", () => void traffic.received++);
  client.on("error", (error) => {
    lastWords ??= error;
  });
  client.on("disconnect", (packet) => {
    const words = inWords(packet.reasonCode ?? 0, packet.properties?.reasonString);
    const redirect = redirectIn(packet.reasonCode, packet.properties);
    if (redirect) {
      lastWords = redirect;
      return;
    }
    const Reason = packet.reasonCode === SESSION_TAKEN_OVER ? SessionTakenOverError : Error;
    lastWords = new Reason(`the broker ended the connection: ${words}`);
  });
  stream.on("error", (error: Error) => {
    lastWords ??= isReset(error) ? new LinkClosedError("the connection was reset", { cause: error }) : error;
  });
  // Ahead of MQTT.js, which fails what is pending without a reason.
  stream.prependOnceListener("close", () =>
    close(lastWords ?? new LinkClosedError("the broker closed the connection")),
  );
  client.handleMessage = createReceiver(options, link);

  const keepaliveMs = (connack.properties?.serverKeepAlive || Math.ceil(options.keepaliveMs / 1_000)) * 1_000;
  const { answerTimeoutMs: answerMs = Math.max(MIN_ANSWER_MS, ANSWER_INTERVALS * keepaliveMs) } = options;
  void keepAlive({
    clock,
    keepaliveMs,
    traffic,
    closed: closing.signal,
    ping: () => client.sendPing(),
    onQuarter(passed) {
      quarters = passed;
      const [oldest] = pending;
      if (oldest === undefined) return;
      const sinceQuarters = Math.max(oldest.quarters, oldestSinceQuarters);
      if (((quarters - sinceQuarters - 1) * keepaliveMs) / 4 < answerMs) return;
      log.debug("a request went unanswered", { answerMs, pending: pending.size });
      close(new Error(`the broker has left a message unacknowledged for ${answerMs / 1_000} s`));
    },
    dead: close,
  });
  return link;
}

/** A broker that closes while something of ours is under way resets the connection. */
function isReset(error: Error): boolean {
  const { code } = error as { code?: unknown };
  return code === "ECONNRESET" || code === "EPIPE";
}

interface Limits {
  readonly receiveMaximum: number;
  readonly maximumPacketBytes: number;
  readonly maximumQos: 0 | 1 | 2;
  readonly retainAvailable: boolean;
}

/** What the broker announced in CONNACK (MQTT 5, section 3.2.2.3), with the standard's defaults. */
function limitsOf({ properties }: IConnackPacket): Limits {
  return {
    receiveMaximum: properties?.receiveMaximum ?? 65_535,
    maximumPacketBytes: properties?.maximumPacketSize ?? Number.POSITIVE_INFINITY,
    maximumQos: (properties?.maximumQoS ?? 2) as 0 | 1 | 2,
    retainAvailable: properties?.retainAvailable ?? true,
  };
}

/** Why a broker would answer with a disconnect; the link must not be lost over one message. */
function faultOf(message: Outgoing, { maximumPacketBytes }: Limits): number | undefined {
  if (/[+#\0]|^$/.test(message.topic)) return TOPIC_NAME_INVALID;
  if (maximumPacketBytes !== Number.POSITIVE_INFINITY && packetBytesAtMost(message) > maximumPacketBytes)
    return PACKET_TOO_LARGE;
  return undefined;
}

function publishOptions(message: Outgoing, limits: Limits): IClientPublishOptions {
  const { qos, retain, correlationData, expirySeconds, userProperties } = message;
  const properties = {
    ...(correlationData && { correlationData: Buffer.from(correlationData) }),
    ...(expirySeconds !== undefined && { messageExpiryInterval: expirySeconds }),
    ...(userProperties && { userProperties: { ...userProperties } }),
  };
  return {
    qos: Math.min(qos, limits.maximumQos) as Outgoing["qos"],
    retain: retain && limits.retainAvailable,
    ...(Object.keys(properties).length > 0 && { properties }),
  };
}

/** The PUBLISH packet's size, never too low: 5 bytes of fixed header, 2 each of topic length and identifier, properties. */
function packetBytesAtMost({ topic, payload, correlationData, userProperties = {} }: Outgoing): number {
  const pairs = Object.entries(userProperties).flat();
  // Message Expiry Interval, Topic Alias; a user property has an identifier and two lengths.
  const propertyBytes = pairs.reduce((sum, text) => sum + 3 + Buffer.byteLength(text), 5 + 3);
  const payloadBytes = typeof payload === "string" ? Buffer.byteLength(payload) : payload.length;
  return (
    5 +
    2 +
    Buffer.byteLength(topic) +
    2 +
    4 +
    3 +
    propertyBytes +
    (correlationData?.length ?? 0) +
    payloadBytes
  );
}

function asRefusal(error: Error): Error {
  const { code } = error as { code?: unknown };
  return typeof code === "number" ? new PublishRefusedError(code, inWords(code)) : error;
}

/**
 * Takes messages in. MQTT.js would hold back every later packet, PUBACKs among them, until a message is dealt with; so
 * it is told not to acknowledge, and PUBACK is sent when the handler is done, in the order of arrival [MQTT-4.6.0-2].
 */
function createReceiver(
  { client, stream, onMessage, log, version }: ClientLinkOptions,
  link: OpenLink,
): MqttClient["handleMessage"] {
  const notYet = new Error("acknowledged later");
  let acknowledged = Promise.resolve();
  return (packet, proceed) => {
    const handled = handle(packet);
    // QoS 2: it has come with its PUBREL, and PUBCOMP is MQTT.js's.
    if (packet.qos !== 1) {
      proceed();
      return;
    }
    acknowledged = acknowledged
      .then(() => handled)
      .then(() => {
        if (link.closed.aborted || packet.messageId === undefined) return;
        const puback = { cmd: "puback", messageId: packet.messageId, reasonCode: 0 } as const;
        mqttPacket.writeToStream(puback, stream, { protocolVersion: version });
        client.emit("packetsend", puback);
      });
    proceed(notYet);
  };

  async function handle(packet: IPublishPacket): Promise<void> {
    try {
      await onMessage(incoming(packet), link);
    } catch (error) {
      // Acknowledged all the same: it would come again and fail again.
      log.error("a message could not be handled", { topic: packet.topic, error: String(error) });
    }
  }
}

function incoming({ topic, payload, retain, qos, properties }: IPublishPacket): Incoming {
  return {
    topic: topic.toString(),
    payload: typeof payload === "string" ? Buffer.from(payload) : payload,
    retain,
    qos,
    ...(properties?.responseTopic !== undefined && { responseTopic: properties.responseTopic }),
    ...(properties?.correlationData !== undefined && { correlationData: properties.correlationData }),
  };
}
