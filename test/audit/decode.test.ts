import { expect, test } from "vitest";
import { asJson } from "../../src/audit/decode.ts";
import { Ledger } from "../../src/audit/ledger.ts";
import { encodeCbor } from "../../src/mqtt/encoding/cbor.ts";
import { encodeJson } from "../../src/mqtt/encoding/encoding.ts";
import { senmlCborEncoder } from "../../src/mqtt/encoding/senml-cbor.ts";
import { senmlJsonEncoder } from "../../src/mqtt/encoding/senml-json.ts";
import { fieldsToJson } from "../../src/record/record.ts";

const senml = { device: "n1", unitOf: () => undefined };

test.each([
  ["JSON", encodeJson],
  ["CBOR", encodeCbor],
  ["SenML in JSON", senmlJsonEncoder(senml)],
  ["SenML in CBOR", senmlCborEncoder(senml)],
])("the account is the same in %s: gaps, reported losses, skipped numbers", (_name, encode) => {
  const ledger = new Ledger("n1");
  const send = (seq: number, topic: string, fields: Record<string, unknown>) => {
    const sample = { topic, fieldsJson: fieldsToJson(fields), historical: false, synced: true } as never;
    ledger.observe(topic, asJson(Buffer.from(encode(seq, { wallMs: 0 }, sample) as string)));
  };
  send(1, "event/boot", { boot: 1, stream: "9f2c41aa" });
  send(2, "telemetry/air", { temperature: 21.5 });
  send(5, "event/dropped", { from_seq: 3, to_seq: 4, count: 2, reason: "full" });
  send(10, "event/boot", { boot: 2, stream: "9f2c41aa", skipped: { from_seq: 6, to_seq: 9 } });
  send(12, "telemetry/air", { temperature: 21.6 });
  for (const seq of [13, 15, 17]) send(seq, "telemetry/air", { temperature: 21.7 });
  send(18, "event/dropped", { from_seq: 13, to_seq: 17, count: 2, reason: "thinned" });
  expect(ledger.verdict()).toMatchObject({ received: 9, dropped: 4, skipped: 4, lost: 1, boots: 2 });
});

test("what is no record stays what it is", () => {
  for (const text of ["", "online", "[1", "{", "[null]"])
    expect(() => asJson(Buffer.from(text))).not.toThrow();
});
