import { lookup } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { connect as connectTcp, isIP } from "node:net";
import type { DetailedPeerCertificate } from "node:tls";
import type { Config } from "../config/config.ts";
import { type Clock, withDeadline } from "../device/clock.ts";
import { formatServer, isSecure, type Server } from "../mqtt/broker/server.ts";
import { networkDial } from "../mqtt/link/dial.ts";
import { explainDialError } from "../mqtt/link/dial-error.ts";
import type { Incoming, OpenLink } from "../mqtt/link/link.ts";
import { createVisitor } from "../mqtt/session/visitor.ts";

/** How long a step may take; the steps follow each other. */
const STEP_MS = 6_000;

/** A step that was not taken because one before it failed. */
export class NotReachedError extends Error {
  override readonly name = "NotReachedError";
}

/** What a broker shows of itself in the TLS handshake, whether or not it is to be trusted. */
export interface Handshake {
  readonly certificate: DetailedPeerCertificate;
  /** Why OpenSSL or Node would refuse it (`CERT_HAS_EXPIRED`); undefined: they would not. */
  readonly distrust: string | undefined;
  /** What is wrong with its names. */
  readonly wrongName: string | undefined;
  /** The name that it has to be for. */
  readonly expectedName: string;
  readonly protocol: string;
}

/** The way to one broker, step by step. Each step is taken once, however often it is asked for. */
export interface BrokerVisit {
  readonly server: Server;
  readonly clientId: string;
  /** Addresses of its name. */
  addresses(): Promise<readonly string[]>;
  /** Milliseconds until the port has accepted a connection. */
  reach(): Promise<number>;
  /** Only where it is secure. */
  handshake(): Promise<Handshake>;
  /** A connection with the node's credentials. */
  link(): Promise<OpenLink>;
  /** Takes what comes over the link. */
  onMessage(take: (message: Incoming) => void): void;
  end(): Promise<void>;
}

export interface VisitOptions {
  readonly mqtt: Config["mqtt"];
  /** Not the node's own. */
  readonly clientId: string;
  readonly clock: Clock;
}

export function brokerVisit(server: Server, { mqtt, clientId, clock }: VisitOptions): BrokerVisit {
  const takers: ((message: Incoming) => void)[] = [];
  let linked: OpenLink | undefined;
  const openTo = createVisitor({
    mqtt,
    clientId,
    dial: networkDial(mqtt.tls, (path) => readFile(path)),
    connectTimeoutMs: STEP_MS,
    answerTimeoutMs: STEP_MS,
    onMessage: (message) => {
      for (const take of takers) take(message);
    },
    clock,
  });
  /** What is not done in its time is dropped. */
  async function limited<T>(what: string, work: (over: AbortSignal) => Promise<T>): Promise<T> {
    const over = new AbortController();
    try {
      return await withDeadline(clock, what, STEP_MS, work(over.signal));
    } finally {
      over.abort();
    }
  }
  const addresses = once(async () => {
    if (server.scheme === "mqtt+unix" || isIP(server.host) !== 0) return [server.host];
    const found = await limited("looking the name up", () => lookup(server.host, { all: true })).catch(
      (error) => {
        throw inWords(error, server);
      },
    );
    return found.map(({ address }) => address);
  });
  const reach = once(async () => {
    await after(addresses());
    const startMs = clock.monotonicMs();
    await limited("connecting", (over) => tryPort(server, over)).catch((error) => {
      throw inWords(error, server);
    });
    return clock.monotonicMs() - startMs;
  });
  const handshake = once(async () => {
    await after(reach());
    return limited("the TLS handshake", (over) => shakeHands(server, mqtt.tls, over)).catch((error) => {
      throw inWords(error, server);
    });
  });
  const link = once(async () => {
    await after(reach());
    if (isSecure(server)) {
      await after(handshake());
      const { distrust, wrongName } = await handshake();
      // Said of the certificate already.
      if (!mqtt.tls?.insecure && (distrust ?? wrongName) !== undefined) throw new NotReachedError(distrust);
    }
    linked = await openTo(server, new AbortController().signal);
    return linked;
  });
  return {
    server,
    clientId,
    addresses,
    reach,
    handshake,
    link,
    onMessage: (take) => void takers.push(take),
    end: async () => linked?.end(),
  };
}

function once<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => {
    result ??= work();
    return result;
  };
}

async function after(step: Promise<unknown>): Promise<void> {
  await step.catch((cause) => {
    throw cause instanceof NotReachedError
      ? cause
      : new NotReachedError("the step before it failed", { cause });
  });
}

/** Without the server, which the line begins with. */
export function inWords(error: Error, server: Server): Error {
  const explained = "code" in error ? explainDialError(error, server) : error;
  return new Error(explained.message.replace(`${formatServer(server)}: `, ""), { cause: error });
}

function tryPort({ scheme, host, port }: Server, over: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = scheme === "mqtt+unix" ? connectTcp({ path: host }) : connectTcp({ host, port });
    over.addEventListener("abort", () => socket.destroy(), { once: true });
    socket.once("error", reject).once("connect", () => {
      socket.destroy();
      resolve();
    });
  });
}

async function shakeHands(server: Server, tls: Config["mqtt"]["tls"], over: AbortSignal): Promise<Handshake> {
  const { checkServerIdentity, connect, createSecureContext } = await import("node:tls");
  const read = async (path: string | undefined) => (path === undefined ? undefined : await readFile(path));
  const [ca, cert, key] = await Promise.all([read(tls?.ca), read(tls?.cert), read(tls?.key)]);
  const expectedName = tls?.server_name ?? server.host;
  // What is wrong with the node's own is said of them.
  const own = cert && key && isUsable(() => createSecureContext({ cert, key })) ? { cert, key } : {};
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: server.host,
      port: server.port,
      ...(ca && { ca }),
      ...own,
      ...(isIP(expectedName) === 0 && { servername: expectedName }),
      ...(tls?.alpn && { ALPNProtocols: tls.alpn }),
      rejectUnauthorized: false,
      // Looked at apart, so that one fault does not hide another.
      checkServerIdentity: () => undefined,
    });
    over.addEventListener("abort", () => socket.destroy(), { once: true });
    socket.once("error", reject).once("secureConnect", () => {
      const certificate = socket.getPeerCertificate(true);
      const distrust = socket.authorized ? undefined : String(socket.authorizationError);
      const wrongName = checkServerIdentity(expectedName, certificate)?.message;
      const protocol = socket.getProtocol() ?? "TLS";
      socket.destroy();
      resolve({ certificate, distrust, wrongName, expectedName, protocol });
    });
  });
}

function isUsable(use: () => unknown): boolean {
  try {
    use();
    return true;
  } catch {
    return false;
  }
}
