import { encode } from "cborg";
import { isoTime } from "../../record/json.ts";
import type { EncodeRecord } from "./encoding.ts";
import { fieldsOfRecord } from "./record-fields.ts";

/**
 * CBOR (RFC 8949): one map with the keys and values of the contract's JSON, so that a consumer who turns it into JSON
 * has the contract's payload. Numbers take the shortest form that holds them exactly (section 4.2.2).
 */
export const encodeCbor: EncodeRecord = (seq, time, sample) =>
  encode({
    seq,
    time: isoTime(time.wallMs),
    ...(time.clock !== undefined && { clock: time.clock }),
    ...(sample.historical && { historical: true }),
    ...(sample.resent && { resent: true }),
    ...fieldsOfRecord(sample),
  });
