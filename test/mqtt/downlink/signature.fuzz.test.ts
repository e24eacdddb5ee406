import fc from "fast-check";
import { expect, test } from "vitest";
import { createUnseal } from "../../../src/mqtt/downlink/signature.ts";
import { howMany, SEED } from "../../exhaustive.ts";
import { ROOT } from "./node-end.ts";
import { envelope, newSigner } from "./signing.ts";

const signer = newSigner();
const stranger = newSigner();
const topic = `${ROOT}/command/pump`;
const unseal = createUnseal({ ops: signer.publicKey });

const text = fc.oneof(fc.constantFrom("on", "off", '{"set":"on"}', "a\nb", ""), fc.string({ maxLength: 40 }));
const nonce = fc.stringMatching(/^[ -~]{1,128}$/);
const expires = fc
  .date({ min: new Date(0), max: new Date("2100-01-01"), noInvalidDate: true })
  .map((at) => at.toISOString());
const right = fc.record({ nonce, expires, command: text });

test("every envelope that was signed is taken, with exactly the command that was signed", () => {
  fc.assert(
    fc.property(right, (options) => {
      const sealed = unseal(topic, Buffer.from(JSON.stringify(envelope(signer, options))));
      expect(sealed).toEqual({
        payload: Buffer.from(options.command),
        nonce: options.nonce,
        expiresMs: Date.parse(options.expires),
      });
    }),
    { numRuns: howMany(600, 2_000), seed: SEED },
  );
});

const KEYS = ["key", "nonce", "expires", "command", "signature"] as const;

test("no envelope is taken that nobody signed, however little it differs from one that somebody did", () => {
  let steps = 0;
  const change = fc.oneof(
    fc.record({
      kind: fc.constant("text"),
      key: fc.constantFrom(...KEYS),
      at: fc.nat(),
      char: fc.string({ minLength: 1, maxLength: 1 }),
    }),
    fc.record({ kind: fc.constant("move"), from: fc.constantFrom(...KEYS), to: fc.constantFrom(...KEYS) }),
    fc.record({
      kind: fc.constant("value"),
      key: fc.constantFrom(...KEYS),
      value: fc.jsonValue({ maxDepth: 1 }),
    }),
    fc.record({ kind: fc.constant("stranger") }),
    fc.record({
      kind: fc.constant("topic"),
      topic: fc.constantFrom(`${ROOT}/command/fan`, `${ROOT}/command/node`, ""),
    }),
  );
  fc.assert(
    fc.property(right, fc.array(change, { minLength: 20, maxLength: 20 }), (options, changes) => {
      const signed: Record<string, unknown> = envelope(signer, options);
      for (const each of changes) {
        steps++;
        let changed = { ...signed };
        let to = topic;
        if ("char" in each) {
          const before = String(signed[each.key]);
          const at = each.at % (before.length + 1);
          changed[each.key] = before.slice(0, at) + each.char + before.slice(at + 1);
        } else if ("from" in each) changed[each.to] = signed[each.from];
        else if ("value" in each) changed[each.key] = each.value;
        else if ("topic" in each) to = each.topic;
        else changed = { ...envelope(stranger, options) };
        const same = to === topic && KEYS.every((key) => changed[key] === signed[key]);
        const verdict = unseal(to, Buffer.from(JSON.stringify(changed)));
        expect("payload" in verdict, JSON.stringify(changed)).toBe(same);
      }
    }),
    { numRuns: howMany(150, 600), seed: SEED },
  );
  expect(steps).toBe(howMany(3_000, 12_000));
});

test("bytes that are no envelope are refused and never thrown at anybody", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 300 }),
        fc.json().map((json) => Buffer.from(json)),
      ),
      (bytes) => {
        expect(unseal(topic, bytes)).toHaveProperty("refused");
      },
    ),
    { numRuns: howMany(1_500, 5_000), seed: SEED },
  );
});
