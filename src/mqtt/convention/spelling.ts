import type { SampleTime } from "../../record/time.ts";
import { type EncodedSample, type EncodeRecord, encodeJson } from "../encoding/encoding.ts";
import type { Outgoing } from "../link/link.ts";

/**
 * The messages that a record becomes, at the moment at which it is sent; again, and then perhaps others, where it is sent
 * again. It leaves the outbox when the broker has acknowledged all of them, so at once where there are none. They go out
 * in the order of the list, behind those of older records. Throws where the record's fields cannot be read: it is corrupt.
 */
export type SpellRecord = (seq: number, time: SampleTime, sample: EncodedSample) => readonly Outgoing[];

export interface ContractSpelling extends Pick<Outgoing, "qos" | "expirySeconds" | "userProperties"> {
  /** Stands before the topics of the records. */
  readonly topicRoot: string;
  /** How a record is written; JSON where absent. */
  readonly encode?: EncodeRecord;
}

/** One message a record, as the contract has it (sections 3 and 4). */
export function contractSpelling({ topicRoot, encode = encodeJson, ...how }: ContractSpelling): SpellRecord {
  return (seq, time, sample) => [
    { topic: `${topicRoot}/${sample.topic}`, payload: encode(seq, time, sample), retain: false, ...how },
  ];
}
