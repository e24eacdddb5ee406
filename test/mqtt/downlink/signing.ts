import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { signedText } from "../../../src/mqtt/downlink/signature.ts";
import { ROOT } from "./node-end.ts";

/** A key pair as somebody who commands a node has it. */
export interface Signer {
  readonly publicKey: string;
  readonly privateKey: KeyObject;
}

export function newSigner(): Signer {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = publicKey.export({ format: "der", type: "spki" }).subarray(-32);
  return { publicKey: raw.toString("base64"), privateKey };
}

export interface EnvelopeOptions {
  readonly target?: string;
  readonly key?: string;
  readonly nonce: string;
  readonly expires: string;
  readonly command: string;
}

export function envelope({ privateKey }: Signer, options: EnvelopeOptions) {
  const { target = "pump", key = "ops", ...rest } = options;
  const text = signedText(`${ROOT}/command/${target}`, { key, ...rest });
  return { key, ...rest, signature: sign(null, Buffer.from(text), privateKey).toString("base64") };
}
