import { connect as connectTcp, isIP } from "node:net";
import type { Duplex } from "node:stream";
import type { ConnectionOptions, TLSSocket } from "node:tls";
import { isSecure, type Server } from "../broker/server.ts";
import type { MqttSettings } from "../broker/settings.ts";
import { explainDialError, explainTlsError } from "./dial-error.ts";

/**
 * Opens a byte stream to a broker, ready to be written to. Rejects with an error that says what is wrong and how to
 * mend it. Tests and simulations dial a broker in the same process.
 */
export type Dial = (server: Server, signal: AbortSignal) => Promise<Duplex>;

/** Reads a file; node:fs/promises' `readFile` is one. */
export type ReadFile = (path: string) => Promise<Buffer>;

type TlsOptions = ConnectionOptions & { servername?: string };

type TlsSettings = NonNullable<MqttSettings["tls"]>;

/**
 * How long one address of a name may take before the next is tried beside it (RFC 8305). Node's 250 ms is less than a
 * round trip on a poor mobile network.
 */
const ADDRESS_ATTEMPT_MS = 5_000;

/** Dials over the network. Certificates are read anew each time, so that renewing one needs no restart. */
export function networkDial(tls: TlsSettings | undefined, readFile: ReadFile): Dial {
  return async (server, signal) => {
    signal.throwIfAborted();
    const options = isSecure(server) ? await tlsOptions(server, tls, readFile) : undefined;
    const socket =
      options === undefined ? await dialTcp(server, signal) : await dialTls(server, options, tls?.ca, signal);
    return server.scheme === "ws" || server.scheme === "wss" ? webSocketOver(socket, server) : socket;
  };
}

async function tlsOptions(
  server: Server,
  tls: TlsSettings | undefined,
  readFile: ReadFile,
): Promise<TlsOptions> {
  const read = async (key: "ca" | "cert" | "key") => {
    const path = tls?.[key];
    if (path === undefined) return {};
    try {
      return { [key]: await readFile(path) };
    } catch (error) {
      throw new Error(`cannot read mqtt.tls.${key}: ${(error as Error).message}`);
    }
  };
  const serverName = tls?.server_name ?? (isIP(server.host) === 0 ? server.host : undefined);
  return {
    ...(await read("ca")),
    ...(await read("cert")),
    ...(await read("key")),
    ...(serverName === undefined ? {} : { servername: serverName }),
    ...(tls?.alpn === undefined ? {} : { ALPNProtocols: tls.alpn }),
    rejectUnauthorized: tls?.insecure !== true,
  };
}

async function dialTcp(server: Server, signal: AbortSignal): Promise<Duplex> {
  const socket =
    server.scheme === "mqtt+unix"
      ? connectTcp({ path: server.host })
      : connectTcp({
          host: server.host,
          port: server.port,
          noDelay: true,
          autoSelectFamilyAttemptTimeout: ADDRESS_ATTEMPT_MS,
        });
  try {
    return await opened(socket, "connect", signal);
  } catch (error) {
    throw explainDialError(error as Error, server);
  }
}

async function dialTls(
  server: Server,
  options: TlsOptions,
  caPath: string | undefined,
  signal: AbortSignal,
): Promise<Duplex> {
  const socket = await openTls(server, options);
  try {
    return await opened(socket.setNoDelay(true), "secureConnect", signal);
  } catch (error) {
    const expectedName = options.servername ?? server.host;
    throw await explainTlsError(error as Error, { server, expectedName, caPath }, async () => {
      const probe = await openTls(server, { ...options, rejectUnauthorized: false });
      try {
        await opened(probe, "secureConnect", signal);
        return probe.getPeerCertificate();
      } finally {
        probe.destroy();
      }
    });
  }
}

/** Loaded only here: importing it takes 2 MiB of memory, as it unpacks every root certificate that Node knows. */
async function openTls(server: Server, options: ConnectionOptions): Promise<TLSSocket> {
  const { connect } = await import("node:tls");
  return connect({
    ...options,
    host: server.host,
    port: server.port,
    autoSelectFamilyAttemptTimeout: ADDRESS_ATTEMPT_MS,
  } as ConnectionOptions);
}

/** MQTT over WebSocket (MQTT 5, section 6). Loaded only here: most nodes never need it. */
async function webSocketOver(socket: Duplex, { scheme, host, port, path = "/" }: Server): Promise<Duplex> {
  const module = await import("mqtt/lib/connect/ws");
  // A CommonJS module that is a part of the bundle has nothing but its default export.
  const { streamBuilder } = (module as unknown as { readonly default?: typeof module }).default ?? module;
  const hostname = host.includes(":") ? `[${host}]` : host;
  const options = {
    protocol: scheme,
    hostname,
    port,
    path,
    wsOptions: { createConnection: () => socket, perMessageDeflate: false },
  };
  const stream = streamBuilder(
    undefined as never,
    options as Parameters<typeof streamBuilder>[1],
  ) as unknown as Duplex;
  // The upgrade may be refused, or given up, while nobody listens yet: whoever takes the stream sees it closed.
  stream.on("error", () => {});
  return stream;
}

/** Resolves with the stream once it emits `event`; on failure or abort it is destroyed. */
function opened<S extends Duplex>(stream: S, event: string, signal: AbortSignal): Promise<S> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      signal.removeEventListener("abort", abort);
      stream.destroy();
      reject(error);
    };
    const abort = () => fail(signal.reason as Error);
    const closed = () => fail(new Error("the connection was closed before it was open"));
    signal.addEventListener("abort", abort, { once: true });
    // Stays for the stream's life: an error between two owners must not end the process.
    stream.on("error", fail);
    stream.once("close", closed);
    stream.once(event, () => {
      signal.removeEventListener("abort", abort);
      stream.off("close", closed);
      resolve(stream);
    });
  });
}
