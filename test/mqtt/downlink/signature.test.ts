import { describe, expect, test } from "vitest";
import { createUnseal } from "../../../src/mqtt/downlink/signature.ts";
import { NodeEnd, ROOT } from "./node-end.ts";
import { envelope, newSigner } from "./signing.ts";

const signer = newSigner();
const START_MS = Date.UTC(2026, 10, 23);
const inMs = (ms: number) => new Date(START_MS + ms).toISOString();
const SOON = inMs(60_000);
const start = (synced = true) =>
  NodeEnd.start({
    actuators: [
      { id: "pump", pin: 5 },
      { id: "fan", pin: 6 },
    ],
    signed: { unseal: createUnseal({ ops: signer.publicKey }), maxValidityMs: 600_000 },
    synced,
  });
const on = (nonce: string, more: Partial<Parameters<typeof envelope>[1]> = {}) =>
  envelope(signer, { nonce, expires: SOON, command: "on", ...more });

describe("a node with keys", () => {
  test("carries out a signed command and answers with its nonce as the id", async () => {
    const end = await start();
    expect(await end.send("pump", on("n1"))).toEqual([
      { topic: "result/pump", id: "n1", status: "done", state: "on" },
    ]);
    expect(end.relays.loads.get(5)).toBe(1);
  });

  test("refuses whatever is not signed, and says so where there is somebody to say it to", async () => {
    const end = await start();
    expect(await end.send("pump", "on")).toEqual([]);
    expect(await end.send("pump", { id: "a", set: "on" })).toEqual([
      {
        topic: "result/pump",
        id: "a",
        status: "rejected",
        state: "off",
        error: "unsigned: this node takes signed commands only",
      },
    ]);
    expect(await end.send("node", { id: "b", do: "restart" })).toMatchObject([{ status: "rejected" }]);
    expect(end.relays.loads.get(5)).toBe(0);
    expect(end.file.bytes).toHaveLength(0);
  });

  test("refuses an envelope with anything changed", async () => {
    const end = await start();
    const right = on("n1");
    const changed: Record<string, unknown>[] = [
      { ...right, command: "off" },
      { ...right, nonce: "n2" },
      { ...right, expires: inMs(61_000) },
      { ...right, signature: on("n3").signature },
      { ...right, signature: right.signature.slice(4) },
      { ...right, key: "other" },
      { ...right, more: 1 },
      { ...right, command: 1 },
    ];
    for (const envelope of changed)
      expect(await end.send("pump", envelope)).toMatchObject([{ status: "rejected" }]);
    expect(await end.send("fan", right)).toMatchObject([
      { error: "signature: it does not fit the command, the topic or the key" },
    ]);
    expect(end.relays.loads.get(5)).toBe(0);
    expect(await end.send("pump", right)).toMatchObject([{ status: "done" }]);
  });

  test("refuses another node's command", async () => {
    const unseal = createUnseal({ ops: signer.publicKey });
    const payload = Buffer.from(JSON.stringify(on("n1")));
    expect(unseal(`${ROOT}/command/pump`, payload)).toMatchObject({ nonce: "n1" });
    expect(unseal("fieldpost/gh2/command/pump", payload)).toHaveProperty("refused");
  });

  test("never carries an envelope out twice, also across restarts and behind thousands of others", async () => {
    const end = await start();
    const toggle = on("n1", { command: "toggle" });
    expect(await end.send("pump", toggle)).toMatchObject([{ status: "done", state: "on" }]);
    for (let at = 0; at < 1_100; at++)
      await end.clock.run(end.receive("fan", JSON.stringify(on(`m${at}`, { target: "fan" }))));
    expect(await end.send("pump", toggle)).toMatchObject([{ status: "duplicate" }]);
    await end.restart();
    expect(await end.send("pump", toggle)).toMatchObject([{ status: "duplicate" }]);
    expect(end.relays.loads.get(5)).toBe(0);
  }, 60_000);

  test("refuses an expired envelope, and one that would be valid for too long", async () => {
    const end = await start();
    await end.clock.advance(61_000);
    expect(await end.send("pump", on("n1"))).toMatchObject([
      { status: "expired", error: "its signature has expired" },
    ]);
    expect(await end.send("pump", on("n2", { expires: inMs(3_600_000) }))).toMatchObject([
      { status: "rejected", error: "signature: expires lies too far ahead (commands.max_validity)" },
    ]);
    expect(end.relays.loads.get(5)).toBe(0);
  });

  test("refuses signed commands while its clock is not set", async () => {
    const end = await start(false);
    expect(await end.send("pump", on("n1"))).toMatchObject([
      {
        status: "rejected",
        error: "the node's clock is not set: it cannot tell whether the signature still holds",
      },
    ]);
    expect(end.relays.loads.get(5)).toBe(0);
  });

  test("takes signed commands to the node, and signed sequences", async () => {
    const end = await start();
    expect(await end.send("node", on("n1", { target: "node", command: '{"do":"about"}' }))).toMatchObject([
      { id: "n1", error: "about: not in this version" },
    ]);
    await end.send("pump", on("n2", { command: '[{"set":"on","for":"1s"}]' }));
    await end.clock.advance(1_000);
    expect(end.answers().at(-1)).toMatchObject({ id: "n2", status: "done", state: "off" });
  });

  test("wants the id within to be the nonce", async () => {
    const end = await start();
    expect(await end.send("pump", on("n1", { command: '{"id":"n2","set":"on"}' }))).toMatchObject([
      { id: "n1", status: "rejected" },
    ]);
    expect(await end.send("pump", on("n3", { command: '{"id":"n3","set":"on"}' }))).toMatchObject([
      { id: "n3", status: "done" },
    ]);
  });
});
