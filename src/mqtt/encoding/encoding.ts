import { toJson } from "../../record/json.ts";
import type { Sample } from "../../record/record.ts";
import type { SampleTime } from "../../record/time.ts";

/** A record as it goes out. */
export interface EncodedSample extends Sample {
  /** Somebody asked for it again. */
  readonly resent?: boolean;
}

/** How a record is spelled on the wire. Throws where the record's fields cannot be read: it is corrupt. */
export type EncodeRecord = (seq: number, time: SampleTime, sample: EncodedSample) => string | Uint8Array;

export const ENCODINGS = ["json", "cbor", "senml+json", "senml+cbor"] as const;
export type Encoding = (typeof ENCODINGS)[number];

/** The contract's JSON (section 4), which every node can write. */
export const encodeJson: EncodeRecord = toJson;
