/** Transports by the URL schemes that the field uses for them: MQTT over TCP, over TLS, over WebSocket, over secure WebSocket. */
export const SCHEMES = ["mqtt", "mqtts", "ws", "wss"] as const;

export type Scheme = (typeof SCHEMES)[number];

/** IANA's registered ports for MQTT and HTTP. */
const DEFAULT_PORTS: Readonly<Record<Scheme, number>> = { mqtt: 1883, mqtts: 8883, ws: 80, wss: 443 };

/** The path that brokers answer WebSockets on when nobody said otherwise (EMQX, HiveMQ, AWS IoT). */
const DEFAULT_WEBSOCKET_PATH = "/mqtt";

/** One broker address. */
export interface Server {
  readonly scheme: Scheme;
  /** A name or an address; an IPv6 address without brackets. */
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
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}${path}`;
}

/** Reads a broker URL. Throws an error whose message says what is wrong, without repeating the URL: it may hold a password. */
export function parseServer(text: string): Server {
  const scheme = SCHEMES.find((known) => text.toLowerCase().startsWith(`${known}://`));
  if (scheme === undefined)
    throw new Error("expected a URL that starts with mqtt://, mqtts://, ws:// or wss://");
  const url = parseUrl(text);
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

function parseUrl(text: string): URL {
  try {
    return new URL(text);
  } catch {
    throw new Error("not a URL: expected SCHEME://HOST or SCHEME://HOST:PORT with a port from 1 to 65535");
  }
}
