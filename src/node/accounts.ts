import type { Drop } from "../outbox/outbox.ts";
import { decodeSample } from "../record/record.ts";

/** What an `event/dropped` says on the wire, and a boot of its `skipped`. */
interface Account {
  readonly from_seq: number;
  readonly to_seq: number;
  readonly count: number;
  readonly reason: Drop["reason"];
}

/**
 * Numbers that no consumer will ever see, as an `event/dropped` or a boot's `skipped` tells of them: it must be told anew
 * where that record is itself given up.
 */
export function accountsIn(record: Uint8Array): readonly Drop[] {
  try {
    const { topic, fieldsJson } = decodeSample(record);
    if (topic !== "event/dropped" && topic !== "event/boot") return [];
    const fields = JSON.parse(`{${fieldsJson}}`) as Account & { readonly skipped?: Account };
    if (topic === "event/dropped") return [dropOf(fields)];
    return fields.skipped ? [dropOf({ ...fields.skipped, count: 0, reason: "skipped" })] : [];
  } catch {
    // A record that cannot be read accounts for nothing.
    return [];
  }
}

function dropOf({ from_seq: fromSeq, to_seq: toSeq, count, reason }: Account): Drop {
  return { fromSeq, toSeq, count, reason };
}
