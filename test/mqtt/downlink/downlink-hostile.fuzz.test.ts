import fc from "fast-check";
import { expect, test } from "vitest";
import { createUnseal } from "../../../src/mqtt/downlink/signature.ts";
import { howMany, SEED } from "../../exhaustive.ts";
import { NodeEnd } from "./node-end.ts";
import { envelope, newSigner } from "./signing.ts";

const PUMP = 5;

const junk = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom("0s", "2h", "toggle", "", 1e300));
const duration = fc.constantFrom("1s", "2s", "5s");
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ set: fc.constantFrom("on", "off"), for: duration }) },
  { weight: 1, arbitrary: fc.record({ set: junk, for: duration }) },
  { weight: 1, arbitrary: fc.record({ set: fc.constantFrom("on", "off"), for: junk }) },
  { weight: 1, arbitrary: junk },
);
const sequence = fc.array(step, { maxLength: 4 });

const shot = fc.record({
  payload: fc.oneof(
    { weight: 3, arbitrary: fc.record({ id: fc.constantFrom("a", "b", "c", "d"), set: sequence }) },
    { weight: 2, arbitrary: sequence },
    { weight: 1, arbitrary: fc.record({ set: sequence, for: duration }) },
    { weight: 1, arbitrary: fc.constantFrom<unknown>("off", { set: "on", for: "1s" }) },
  ),
  afterMs: fc.constantFrom(0, 500, 3_000, 20_000),
  restart: fc.integer({ min: 0, max: 19 }).map((n) => n === 0),
});

/** The longest that anything above may keep the pump on: four steps of 5 s, and the grace of the last. */
const LONGEST_ON_MS = 20_500;

test(`whatever sequences are sent, right or wrong, none leaves an output on (SEED=${SEED})`, async () => {
  let sent = 0;
  let moved = 0;
  const property = fc.asyncProperty(fc.array(shot, { minLength: 20, maxLength: 30 }), async (shots) => {
    const end = await NodeEnd.start({ actuators: [{ id: "pump", pin: PUMP }] });
    for (const { payload, afterMs, restart } of shots) {
      if (restart) await end.restart();
      const text = typeof payload === "string" ? payload : JSON.stringify(payload);
      await end.clock.run(end.receive("pump", text));
      if (end.relays.loads.get(PUMP) === 1) moved++;
      await end.clock.advance(afterMs);
      sent++;
    }
    await end.clock.advance(LONGEST_ON_MS);
    expect(end.relays.loads.get(PUMP)).toBe(0);
    const carriedOut = end.answers().filter(({ status }) => status === "done" || status === "failed");
    const ids = carriedOut.flatMap(({ id }) => id ?? []);
    expect(ids).toEqual([...new Set(ids)]);
  });
  await fc.assert(property, { numRuns: howMany(50, 150), seed: SEED });
  expect(sent).toBeGreaterThan(howMany(800, 2_500));
  expect(moved).toBeGreaterThan(sent / 20);
});

const ops = newSigner();
const stranger = newSigner();

const signedShot = fc.record({
  nonce: fc.constantFrom("n1", "n2", "n3", "n4", "n5", "n6"),
  validMs: fc.constantFrom(-5_000, 20_000, 60_000, 86_400_000),
  command: fc.constantFrom("on", "off", "toggle", '{"set":"on"}', '{"id":"n1","set":"on"}', "nonsense"),
  by: fc.constantFrom("ops", "ops", "ops", "stranger", "nobody"),
  signedFor: fc.constantFrom("pump", "pump", "pump", "fan"),
  retain: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
  afterMs: fc.constantFrom(0, 1_000, 30_000),
  restart: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
});

test(`where keys are set, only a fresh envelope of theirs moves an output, and only once (SEED=${SEED})`, async () => {
  let sent = 0;
  let moved = 0;
  const property = fc.asyncProperty(fc.array(signedShot, { minLength: 20, maxLength: 30 }), async (shots) => {
    const end = await NodeEnd.start({
      actuators: [{ id: "pump", pin: PUMP, restore: "last" }],
      signed: { unseal: createUnseal({ ops: ops.publicKey }), maxValidityMs: 3_600_000 },
    });
    const used = new Set<string>();
    for (const { nonce, validMs, command, by, signedFor, retain, afterMs, restart } of shots) {
      await end.clock.advance(afterMs);
      if (restart) await end.restart();
      const was = end.relays.loads.get(PUMP);
      const expires = new Date(end.clock.wallMs() + validMs).toISOString();
      const sealed = envelope(by === "ops" ? ops : stranger, { target: signedFor, nonce, expires, command });
      const payload = by === "nobody" ? command : JSON.stringify(sealed);
      await end.send("pump", payload, { retain });
      // Once more, as somebody would who listens in.
      const after = end.relays.loads.get(PUMP);
      await end.send("pump", payload);
      expect(end.relays.loads.get(PUMP), `${payload} again`).toBe(
        retain ? end.relays.loads.get(PUMP) : after,
      );

      const authentic = by === "ops" && signedFor === "pump" && validMs > 0 && validMs <= 3_600_000;
      if (end.relays.loads.get(PUMP) !== was) {
        moved++;
        expect({ authentic, used: used.has(nonce), command }).toMatchObject({ authentic: true, used: false });
      }
      // An envelope whose command has another id than its nonce is refused unread, and leaves its nonce free.
      const contradicts = command.includes('"n1"') && nonce !== "n1";
      if (authentic && !contradicts) used.add(nonce);
      sent++;
    }
  });
  await fc.assert(property, { numRuns: howMany(50, 150), seed: SEED });
  expect(sent).toBeGreaterThan(howMany(800, 2_500));
  expect(moved).toBeGreaterThan(howMany(30, 100));
});
