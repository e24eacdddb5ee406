import type { Duplex } from "node:stream";
import { MqttClient } from "mqtt";
import mqttPacket, { type Packet } from "mqtt-packet";
import { type Clock, withDeadline } from "../../device/clock.ts";
import type { Log } from "../../log.ts";
import { formatServer, type Server } from "../broker/server.ts";
import { createLink } from "./client-link.ts";
import type { Dial } from "./dial.ts";
import {
  ConnectionRefusedError,
  type Incoming,
  type OpenLink,
  ServerRedirectError,
  UnsupportedVersionError,
} from "./link.ts";
import { createIncomingStore, createNoStore } from "./no-store.ts";
import { createPacketIds } from "./packet-ids.ts";
import { inWords, isVersionRefusal, redirectIn } from "./reason-codes.ts";

/** A last will (MQTT 5, section 3.1.2.5), of QoS 1. */
export interface Will {
  readonly topic: string;
  readonly payload: string | Uint8Array;
  /** Default: true. */
  readonly retain?: boolean;
}

export interface LinkOptions {
  readonly server: Server;
  /** MQTT protocol level: 4 is 3.1.1, 5 is 5.0. */
  readonly version: 4 | 5;
  readonly clientId: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly keepaliveMs: number;
  /** How long the broker keeps the session after the link; 0: it starts clean. MQTT 3.1.1 knows only "no" and "yes". */
  readonly sessionExpiryMs: number;
  /** What the broker says of the node when the link breaks. */
  readonly will?: Will | (() => Will);
  /** How long the broker waits before it says so (MQTT 5, section 3.1.3.2.2): a short outage then makes no noise. Default: 0. */
  readonly willDelayMs?: number;
  /** From dialling to CONNACK. Default: 20 s. */
  readonly connectTimeoutMs?: number;
  /** How long the broker may take over a PUBACK, from when no older one is missing. Default: two keep alive intervals, at least 20 s. */
  readonly answerTimeoutMs?: number;
  /** A QoS 1 message is acknowledged when the promise settles; meanwhile the link goes on. */
  readonly onMessage: (message: Incoming, link: OpenLink) => void | Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

const CONNECT_TIMEOUT_MS = 20_000;

/** What the broker may send unacknowledged: it is commands, handled one by one. */
const RECEIVE_MAXIMUM = 20;

/** Far above a command (64 KiB), so that an oversized one can still be answered; far below a small board's memory. */
const MAXIMUM_PACKET_BYTES = 262_144;

/** setTimeout's limit: MQTT.js's own timer must never fire, the deadline is ours. */
const NEVER_MS = 2_147_483_647;

// Otherwise the first packet builds 65,536 buffers that stay: 8 MB of a small board's memory.
mqttPacket.writeToStream.cacheNumbers = false;

/** MQTT.js's timers; the link keeps itself alive on our clock (keepalive.ts). */
const noTimer = { set: () => 0, clear() {} };

/**
 * Makes one connection with a broker. Rejects with a {@link ConnectionRefusedError}, an {@link UnsupportedVersionError}
 * or an error that says why there was no answer.
 */
export async function openLink(options: LinkOptions, dial: Dial, signal: AbortSignal): Promise<OpenLink> {
  const { server, clock, connectTimeoutMs = CONNECT_TIMEOUT_MS } = options;
  const giveUp = new AbortController();
  const stop = () => giveUp.abort(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  try {
    signal.throwIfAborted();
    const opening = open(options, dial, giveUp.signal);
    return await withDeadline(clock, `connecting to ${formatServer(server)}`, connectTimeoutMs, opening);
  } catch (error) {
    giveUp.abort(error);
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

async function open(options: LinkOptions, dial: Dial, signal: AbortSignal): Promise<OpenLink> {
  const stream = await dial(options.server, signal);
  if (signal.aborted) {
    stream.destroy();
    throw signal.reason;
  }
  // A broker that has said its last has nothing more to hear; what it said is dealt with first.
  stream.once("end", () => setImmediate(() => stream.destroy()));
  return accepted(createClient(stream, options), stream, options, signal);
}

function createClient(stream: Duplex, options: LinkOptions): MqttClient {
  const { server, version, sessionExpiryMs, willDelayMs = 0 } = options;
  // Asked for here, when a CONNECT is about to go out: attempts that do not get that far have none.
  const will = typeof options.will === "function" ? options.will() : options.will;
  return new MqttClient(() => stream, {
    protocol: server.scheme,
    host: server.host,
    port: server.port,
    protocolVersion: version,
    clientId: options.clientId,
    ...(options.username === undefined ? {} : { username: options.username }),
    ...(options.password === undefined ? {} : { password: options.password }),
    clean: sessionExpiryMs === 0,
    keepalive: Math.ceil(options.keepaliveMs / 1_000),
    ...(will && {
      will: {
        topic: will.topic,
        payload: Buffer.from(will.payload as Uint8Array),
        qos: 1,
        retain: will.retain ?? true,
        ...(version === 5 &&
          willDelayMs > 0 && { properties: { willDelayInterval: Math.ceil(willDelayMs / 1_000) } }),
      },
    }),
    ...(version === 5 && {
      properties: {
        sessionExpiryInterval: Math.ceil(sessionExpiryMs / 1_000),
        receiveMaximum: RECEIVE_MAXIMUM,
        maximumPacketSize: MAXIMUM_PACKET_BYTES,
      },
    }),
    // As many as the broker takes (Topic Alias Maximum): a topic then goes out once a link.
    autoAssignTopicAlias: version === 5,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    writeCache: false,
    connectTimeout: NEVER_MS,
    reschedulePings: false,
    timerVariant: noTimer as never,
    outgoingStore: createNoStore(),
    incomingStore: createIncomingStore(),
    messageIdProvider: createPacketIds(),
  });
}

/**
 * Waits for CONNACK. The link is made while CONNACK is being handled, not after: with a session resumed, the packets
 * behind it may be messages already. (MQTT.js's `connect` event comes too late for that.)
 */
function accepted(
  client: MqttClient,
  stream: Duplex,
  options: LinkOptions,
  signal: AbortSignal,
): Promise<OpenLink> {
  return new Promise((resolve, reject) => {
    let fault: Error | undefined;
    const settle = () => {
      signal.removeEventListener("abort", abort);
      client.off("packetreceive", answered).off("close", closed);
    };
    const answered = (packet: Packet) => {
      if (packet.cmd !== "connack") return;
      const code = packet.reasonCode ?? packet.returnCode;
      if (code !== 0) {
        fault ??= redirectIn(code, packet.properties);
        return;
      }
      settle();
      resolve(createLink({ ...options, client, stream, connack: packet }));
    };
    const abort = () => {
      settle();
      stream.destroy();
      reject(signal.reason);
    };
    const closed = () => {
      settle();
      reject(whyNotAccepted(fault, options));
    };
    // Stays for the client's life: MQTT.js reports much here, and an error nobody listens to ends the process.
    client.on("error", (error) => {
      fault ??= error;
      stream.destroy();
    });
    stream.on("error", (error: Error) => {
      fault ??= error;
    });
    client.on("packetreceive", answered);
    client.on("close", closed);
    signal.addEventListener("abort", abort, { once: true });
  });
}

function whyNotAccepted(fault: Error | undefined, { server, version }: LinkOptions): Error {
  const code = (fault as { code?: unknown } | undefined)?.code;
  if (fault instanceof ServerRedirectError) return fault;
  const at = formatServer(server);
  if (typeof code === "number" && isVersionRefusal(code))
    return new UnsupportedVersionError(`${at} does not speak MQTT ${version === 5 ? "5" : "3.1.1"}`, {
      stated: true,
    });
  if (typeof code === "number") return new ConnectionRefusedError(code, inWords(code));
  // A 3.1.1 broker's answer to a CONNECT of MQTT 5 cannot be read as MQTT 5, or is to close without one.
  const words = fault === undefined ? "the broker closed the connection without an answer" : fault.message;
  const refused = new Error(`${at}: ${words}`, { cause: fault });
  return version === 5 && typeof code !== "string"
    ? new UnsupportedVersionError(refused.message, { stated: false, cause: fault })
    : refused;
}
