import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { isId, parseObject, readTimestamp } from "./command.ts";

/** What the sender of a signed command wanted, once the signature has been found right. */
export interface Unsealed {
  readonly payload: Uint8Array;
  /** Serves as the command's id: the same envelope again is a duplicate. */
  readonly nonce: string;
  /** UTC, milliseconds since the epoch. */
  readonly expiresMs: number;
}

export interface Unsigned {
  readonly refused: string;
  /** Where it could be read, so that the sender gets an answer. */
  readonly id?: string;
}

/** Takes the payload of a command out of its signed envelope. Never throws. */
export type Unseal = (topic: string, envelope: Uint8Array) => Unsealed | Unsigned;

/** Base64 of 64 bytes (RFC 8032, section 5.1.6), whose last digit has four bits to spare: zeros, so that there is one spelling. */
const SIGNATURE = /^[A-Za-z0-9+/]{85}[AQgw]==$/;
const KEYS = ["key", "nonce", "expires", "command", "signature"];

/** An envelope is the command in JSON's quotes, and a little more. */
const MAX_ENVELOPE_BYTES = 262_144;

/**
 * What is signed: six lines, the last of which is the command and may hold anything. The topic is in it, so that a
 * command to one actuator of one node cannot be turned into one to another.
 */
export function signedText(
  topic: string,
  { key, nonce, expires, command }: Readonly<Record<"key" | "nonce" | "expires" | "command", string>>,
): string {
  return ["fieldpost-command-v1", topic, key, nonce, expires, command].join("\n");
}

/** `keys`: raw Ed25519 public keys in base64, by key id. Throws where one is none. */
export function createUnseal(keys: Readonly<Record<string, string>>): Unseal {
  const known = new Map(Object.entries(keys).map(([id, raw]) => [id, publicKey(raw)]));
  return (topic, envelope) => {
    if (envelope.length > MAX_ENVELOPE_BYTES) return { refused: `larger than ${MAX_ENVELOPE_BYTES} bytes` };
    const fields = parseObject(Buffer.from(envelope).toString("utf8").trim());
    if (!fields || !("signature" in fields))
      return { refused: "unsigned: this node takes signed commands only", ...answerTo(fields?.["id"]) };
    const { key, nonce, expires, command, signature, ...strange } = fields;
    const refuse = (refused: string): Unsigned => ({ refused: `signature: ${refused}`, ...answerTo(nonce) });
    if (!isId(nonce)) return refuse("nonce: expected 1 to 128 printable ASCII characters");
    const expiresMs = readTimestamp(expires);
    if (typeof expiresMs !== "number") return refuse("expires: expected a time such as 2026-11-23T00:44:20Z");
    if (typeof key !== "string" || typeof command !== "string" || typeof signature !== "string")
      return refuse("key, command and signature: expected texts");
    if (Object.keys(strange).length > 0) return refuse(`expected ${KEYS.join(", ")} and nothing else`);
    const publicKey = known.get(key);
    if (!publicKey) return refuse("the key is not known here");
    const text = Buffer.from(signedText(topic, { key, nonce, expires: expires as string, command }));
    if (!SIGNATURE.test(signature) || !verify(null, text, publicKey, Buffer.from(signature, "base64")))
      return refuse("it does not fit the command, the topic or the key");
    return { payload: Buffer.from(command), nonce, expiresMs };
  };
}

/** RFC 8037, section 2: an Ed25519 key as a JSON Web Key is its raw bytes. */
function publicKey(raw: string): KeyObject {
  const x = Buffer.from(raw, "base64").toString("base64url");
  return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
}

function answerTo(id: unknown): { readonly id?: string } {
  return isId(id) ? { id } : {};
}
