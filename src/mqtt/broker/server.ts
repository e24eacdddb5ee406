/** Transports by the URL schemes that the field uses for them: MQTT over TCP, over TLS, over WebSocket, over secure WebSocket, over a Unix socket. */
export const SCHEMES = ["mqtt", "mqtts", "ws", "wss", "mqtt+unix"] as const;

export type Scheme = (typeof SCHEMES)[number];

/** IANA's registered ports for MQTT; for WebSockets those that brokers listen on when nobody said otherwise (EMQX, NanoMQ). */
const DEFAULT_PORTS: Readonly<Record<Scheme, number>> = {
  mqtt: 1883,
  mqtts: 8883,
  ws: 8083,
  wss: 8084,
  "mqtt+unix": 0,
};

/** The path that brokers answer WebSockets on when nobody said otherwise (EMQX, HiveMQ, AWS IoT). */
const DEFAULT_WEBSOCKET_PATH = "/mqtt";

/** One broker address. */
export interface Server {
  readonly scheme: Scheme;
  /** A name or an address; an IPv6 address without brackets; of a Unix socket its path. */
  readonly host: string;
  readonly port: number;
  /** WebSocket only. */
  readonly path?: string;
}

/** Whether the transport is encrypted. */
export function isSecure(server: Server): boolean {
  return server.scheme === "mqtts" || server.scheme === "wss";
}

/** The URL as a person would write it. */
export function formatServer({ scheme, host, port, path = "" }: Server): string {
  if (scheme === "mqtt+unix") return `${scheme}://${host}`;
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}${path}`;
}

/**
 * The server that a broker's Server Reference names (MQTT 5, section 4.11): the first of several, with the transport of the
 * one that sent us. Undefined where it cannot be read.
 */
export function referredServer(reference: string, from: Server): Server | undefined {
  const [first = ""] = reference.trim().split(/\s+/);
  if (from.scheme === "mqtt+unix" || first === "" || first.includes("/")) return undefined;
  try {
    return parseServer(`${from.scheme}://${first}${from.path ?? ""}`);
  } catch {
    return undefined;
  }
}

/** Whether what is said to this broker stays on this machine. */
export function isLocal({ scheme, host }: Server): boolean {
  return scheme === "mqtt+unix" || host === "localhost" || host === "::1" || /^127\./.test(host);
}

/** Reads a broker URL. Throws an error whose message says what is wrong, without repeating the URL: it may hold a password. */
export function parseServer(text: string): Server {
  const scheme = SCHEMES.find((known) => text.toLowerCase().startsWith(`${known}://`));
  if (scheme === undefined)
    throw new Error("expected a URL that starts with mqtt://, mqtts://, ws://, wss:// or mqtt+unix://");
  if (scheme === "mqtt+unix") return unixServer(text.slice("mqtt+unix://".length));
  // As mqtt:// whatever it is: of ws:// the URL standard knows port 80 and would leave it out.
  const url = parseUrl(`mqtt${text.slice(scheme.length)}`);
  if (url.username !== "" || url.password !== "")
    throw new Error("credentials do not belong into the URL: use mqtt.username and mqtt.password");
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  if (host === "") throw new Error("the URL names no host");
  if (url.port === "0") throw new Error("port 0 is not a port to connect to");
  const port = url.port === "" ? DEFAULT_PORTS[scheme] : Number(url.port);
  if (url.hash !== "") throw new Error("a broker URL has no fragment (#)");
  const path = `${url.pathname}${url.search}`;
  if (scheme === "ws" || scheme === "wss")
    return { scheme, host, port, path: path === "" || path === "/" ? DEFAULT_WEBSOCKET_PATH : path };
  if (path !== "" && path !== "/") throw new Error(`a path has a meaning only with ws:// and wss://`);
  return { scheme, host, port };
}

/** The kernel takes 107 bytes and a zero (unix(7), sockaddr_un). */
const MAX_SOCKET_PATH_BYTES = 107;

function unixServer(path: string): Server {
  if (!path.startsWith("/"))
    throw new Error("mqtt+unix:// takes a whole path: mqtt+unix:///run/mosquitto.sock");
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES)
    throw new Error(`the path of a Unix socket has at most ${MAX_SOCKET_PATH_BYTES} bytes`);
  return { scheme: "mqtt+unix", host: path, port: 0 };
}

function parseUrl(text: string): URL {
  try {
    return new URL(text);
  } catch {
    throw new Error("not a URL: expected SCHEME://HOST or SCHEME://HOST:PORT with a port from 1 to 65535");
  }
}
