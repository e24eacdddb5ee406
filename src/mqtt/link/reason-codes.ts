import { ServerRedirectError } from "./link.ts";

const USE_ANOTHER_SERVER = 0x9c;
const SERVER_MOVED = 0x9d;

/** MQTT 3.1.1 return codes of CONNACK (section 3.2.2.3). */
const RETURN_CODES: Readonly<Record<number, string>> = {
  1: "unacceptable protocol version",
  2: "client identifier not accepted: set another mqtt.client_id",
  3: "server unavailable",
  4: "bad user name or password: check mqtt.username and mqtt.password",
  5: "not authorized: check mqtt.username, mqtt.password and the broker's access list",
};

/** MQTT 5 reason codes that a broker sends (section 2.4), and how to mend what the node's owner can. */
const REASON_CODES: Readonly<Record<number, string>> = {
  128: "unspecified error",
  129: "malformed packet",
  130: "protocol error",
  131: "implementation specific error",
  132: "unsupported protocol version",
  133: "client identifier not valid: set another mqtt.client_id",
  134: "bad user name or password: check mqtt.username and mqtt.password",
  135: "not authorized: check mqtt.username, mqtt.password and the broker's access list",
  136: "server unavailable",
  137: "server busy",
  138: "banned: the broker has locked this client out",
  139: "server shutting down",
  140: "bad authentication method",
  141: "keep alive timeout",
  142: "session taken over",
  143: "topic filter invalid",
  144: "topic name invalid",
  145: "packet identifier in use",
  146: "packet identifier not found",
  147: "receive maximum exceeded",
  148: "topic alias invalid",
  149: "packet too large",
  150: "message rate too high",
  151: "quota exceeded",
  152: "administrative action",
  153: "payload format invalid",
  154: "retain not supported",
  155: "QoS not supported",
  156: "use another server",
  157: "server moved",
  158: "shared subscriptions not supported",
  159: "connection rate exceeded",
  160: "maximum connect time",
  161: "subscription identifiers not supported",
  162: "wildcard subscriptions not supported",
};

/** Reason codes that are acted on (MQTT 5, section 2.4). */
export const SESSION_TAKEN_OVER = 0x8e;
export const TOPIC_NAME_INVALID = 0x90;
export const PACKET_TOO_LARGE = 0x95;

/**
 * PUBACK codes that the same record would get again for ever. Any other may pass: a quota, an access list that
 * somebody mends, a broker in trouble.
 */
const FINAL_REFUSALS: ReadonlySet<number> = new Set([TOPIC_NAME_INVALID, PACKET_TOO_LARGE, 0x99]);

export function isFinalRefusal(code: number): boolean {
  return FINAL_REFUSALS.has(code);
}

/** The two codes by which a broker says that it does not speak this version of MQTT. */
export function isVersionRefusal(code: number): boolean {
  return code === 0x01 || code === 0x84;
}

/** Where a broker sends its client, if it does and says where (MQTT 5, section 4.11). */
export function redirectIn(
  code: number | undefined,
  properties: { readonly serverReference?: string | undefined } | undefined,
): ServerRedirectError | undefined {
  const reference = properties?.serverReference;
  const moved = code === USE_ANOTHER_SERVER || code === SERVER_MOVED;
  return moved && reference ? new ServerRedirectError(reference) : undefined;
}

/** A reason or return code in words, with the broker's own (MQTT 5 Reason String) where it gave some. */
export function inWords(code: number, reasonString?: string): string {
  const words = RETURN_CODES[code] ?? REASON_CODES[code] ?? "unknown reason";
  return `${words} (code ${code}${reasonString ? `, "${reasonString}"` : ""})`;
}
