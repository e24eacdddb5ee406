import { describe, expect, test } from "vitest";
import { NodeEnd } from "./node-end.ts";

const start = (options: Record<string, unknown> = {}) =>
  NodeEnd.start({
    actuators: [
      { id: "horn", pin: 5, ...options },
      { id: "fan", pin: 6 },
    ],
  });
const TWICE = [
  { set: "on", for: "2s" },
  { set: "off", for: "1s" },
  { set: "on", for: "2s" },
];

describe("a sequence", () => {
  test("takes an output through its steps and reports its outcome once, at its end", async () => {
    const end = await start();
    await end.clock.run(end.receive("horn", JSON.stringify({ id: "s1", set: TWICE })));
    const seen: string[] = [];
    for (let second = 0; second < 6; second++) {
      seen.push(end.relays.loads.get(5) === 1 ? "on" : "off");
      expect(end.answers()).toEqual(second < 5 ? [] : [expect.objectContaining({ id: "s1" })]);
      await end.clock.advance(1_000);
    }
    expect(seen).toEqual(["on", "on", "off", "on", "on", "off"]);
    expect(end.answers()).toEqual([{ topic: "result/horn", id: "s1", status: "done", state: "off" }]);
    await end.clock.advance(60_000);
    expect(end.answers()).toHaveLength(1);
  });

  test("may be the whole payload", async () => {
    const end = await start();
    await end.clock.run(end.receive("horn", '[{"set":"on","for":"1s"}]'));
    expect(end.relays.loads.get(5)).toBe(1);
    await end.clock.advance(1_000);
    expect(end.answers()).toEqual([{ topic: "result/horn", status: "done", state: "off" }]);
  });

  test("stays at a last step that has no end", async () => {
    const end = await start();
    await end.send("horn", [{ set: "on", for: "1s" }, { set: "off", for: "1s" }, { set: "on" }]);
    await end.clock.advance(60_000);
    expect(end.relays.loads.get(5)).toBe(1);
    expect(end.answers()).toEqual([{ topic: "result/horn", status: "done", state: "on" }]);
  });

  test("lets the broker have its PUBACK after the first step, so that no later command waits for it", async () => {
    const end = await start();
    let acknowledged = false;
    void end.receive("horn", JSON.stringify({ id: "s1", set: TWICE })).then(() => {
      acknowledged = true;
    });
    await end.clock.advance(10);
    expect(acknowledged).toBe(true);
    expect(Buffer.from(end.file.bytes).toString()).toContain('{"id":"s1"}');
  });

  test("is cancelled by a later command, whose result comes second", async () => {
    const end = await start();
    await end.clock.run(end.receive("horn", JSON.stringify({ id: "s1", set: TWICE })));
    await end.clock.advance(500);
    await end.send("horn", { id: "c1", set: "on" });
    expect(end.answers()).toEqual([
      {
        topic: "result/horn",
        id: "s1",
        status: "failed",
        state: "on",
        error: "cancelled by a later command",
      },
      { topic: "result/horn", id: "c1", status: "done", state: "on" },
    ]);
    await end.clock.advance(60_000);
    expect(end.relays.loads.get(5)).toBe(1);
  });

  test("is not cancelled by a command that is refused, nor by its own duplicate", async () => {
    const end = await start();
    const command = { id: "s1", set: TWICE };
    await end.clock.run(end.receive("horn", JSON.stringify(command)));
    await end.send("horn", "maybe");
    await end.send("horn", "off", { retain: true });
    expect(await end.send("horn", command)).toEqual([
      {
        topic: "result/horn",
        id: "s1",
        status: "duplicate",
        error: "the first one is still being carried out",
      },
    ]);
    await end.clock.advance(5_000);
    expect(end.answers().at(-1)).toMatchObject({ id: "s1", status: "done" });
  });

  test("is cancelled by the fail-safe, and the output stays safe", async () => {
    const end = await start({ offline_after: "3s" });
    end.guard.setOnline(true);
    await end.clock.run(
      end.receive(
        "horn",
        JSON.stringify({
          id: "s1",
          set: [
            { set: "on", for: "10s" },
            { set: "on", for: "10s" },
          ],
        }),
      ),
    );
    end.guard.setOnline(false);
    await end.clock.advance(3_000);
    expect(end.relays.loads.get(5)).toBe(0);
    await end.clock.advance(60_000);
    expect(end.relays.loads.get(5)).toBe(0);
    expect(end.answers()).toEqual([
      {
        topic: "result/horn",
        id: "s1",
        status: "failed",
        state: "off",
        error: "step 2 of 2: cancelled: failsafe has moved it",
      },
    ]);
  });

  test("that could never be carried out is refused before anything moves", async () => {
    const end = await start({ max_on: "3s", min_off: "1s" });
    await end.clock.advance(60_000);
    const refused = async (set: unknown) =>
      (await end.send("horn", { set }, { responseTopic: "r" }))[0]?.error;
    expect(await refused([{ set: "on", for: "1s" }, { set: 50 }])).toBe(
      "step 2 of 2: value: horn cannot be 50",
    );
    expect(await refused([{ set: "on", for: "4s" }])).toBe(
      "step 1 of 1: max_on: horn may be on for 3s at most",
    );
    expect(
      await refused([
        { set: "on", for: "1s" },
        { set: "off", for: "500ms" },
        { set: "on", for: "1s" },
      ]),
    ).toBe("step 2 of 3: min_off: horn stays off for 1s at least");
    expect(end.relays.loads.get(5)).toBe(0);
  });

  test("has a bound in steps and in time, and each step a form", async () => {
    const end = await start();
    const refused = async (set: unknown) => (await end.send("horn", { id: "x", set }))[0]?.error;
    const answered = async (set: unknown) => (await refused(set))?.replace(/^rejected: /, "");
    expect(await answered([])).toBe("set: expected 1 to 32 steps");
    const next = await start();
    const other = async (id: string, set: unknown) => (await next.send("horn", { id, set }))[0]?.error;
    expect(await other("a", Array(33).fill({ set: "on", for: "1s" }))).toBe("set: expected 1 to 32 steps");
    expect(
      await other("b", [
        { set: "on", for: "6m" },
        { set: "off", for: "6m" },
      ]),
    ).toBe("set: a sequence takes 10m at most");
    expect(await other("c", [{ set: "on" }, { set: "off" }])).toBe("step 1: for is missing");
    expect(await other("d", [{ set: "toggle", for: "1s" }])).toBe(
      "step 1: set: expected on, off or a number",
    );
    expect(await other("e", [["on"]])).toBe('step 1: expected {"set":"on","for":"2s"}');
    expect(await other("f", [{ set: "on", for: "1s", next: 1 }])).toBe(
      'step 1: expected {"set":"on","for":"2s"}',
    );
  });

  test("that the process does not survive is off by itself after a restart, and known to have been interrupted", async () => {
    const end = await start();
    const command = { id: "s1", set: TWICE };
    await end.clock.run(end.receive("horn", JSON.stringify(command)));
    await end.restart();
    expect(await end.send("horn", command)).toMatchObject([
      { id: "s1", status: "duplicate", error: expect.stringMatching(/^failed: interrupted/) },
    ]);
    await end.clock.advance(60_000);
    expect(end.relays.loads.get(5)).toBe(0);
  });

  test("of one actuator leaves the others alone", async () => {
    const end = await start();
    await end.clock.run(end.receive("horn", JSON.stringify({ id: "s1", set: TWICE })));
    expect(await end.send("fan", { id: "f", set: "on" })).toMatchObject([{ id: "f", status: "done" }]);
    await end.clock.advance(5_000);
    expect(end.answers().at(-1)).toMatchObject({ id: "s1", status: "done" });
  });
});
