import { expect, test } from "vitest";
import { accountsIn } from "../../src/node/accounts.ts";
import { encodeSample, fieldsToJson } from "../../src/record/record.ts";

function recordOf(topic: string, fields: Readonly<Record<string, unknown>>): Uint8Array {
  const times = { wallMs: 0, monotonicMs: 0, bootId: "00000001", synced: true, historical: true };
  return encodeSample({ ...times, topic, fieldsJson: fieldsToJson(fields) });
}

test("a drop and the skipped range of a boot account for numbers", () => {
  const dropped = { from_seq: 1, to_seq: 400, count: 200, reason: "thinned" };
  expect(accountsIn(recordOf("event/dropped", dropped))).toEqual([
    { fromSeq: 1, toSeq: 400, count: 200, reason: "thinned" },
  ]);
  const boot = { boot: 2, skipped: { from_seq: 5, to_seq: 90 } };
  expect(accountsIn(recordOf("event/boot", boot))).toEqual([
    { fromSeq: 5, toSeq: 90, count: 0, reason: "skipped" },
  ]);
});

test("a skipped range is the same account when it has been told anew", () => {
  const anew = { from_seq: 5, to_seq: 90, count: 0, reason: "skipped" };
  expect(accountsIn(recordOf("event/dropped", anew))).toEqual([
    { fromSeq: 5, toSeq: 90, count: 0, reason: "skipped" },
  ]);
});

test("other records account for nothing, nor does what cannot be read", () => {
  expect(accountsIn(recordOf("telemetry/air", { count: 3 }))).toEqual([]);
  expect(accountsIn(recordOf("event/boot", { boot: 1 }))).toEqual([]);
  expect(accountsIn(new Uint8Array(3))).toEqual([]);
});
