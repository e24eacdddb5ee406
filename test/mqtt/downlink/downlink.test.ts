import { describe, expect, test } from "vitest";
import { isoTime } from "../../../src/record/json.ts";
import { NodeEnd, ROOT } from "./node-end.ts";

const actuators = [
  { id: "pump", pin: 5 },
  { id: "fan", pin: 6 },
];
const start = (options: Partial<Parameters<typeof NodeEnd.start>[0]> = {}) =>
  NodeEnd.start({ actuators, ...options });

describe("a result", () => {
  test("is exactly as the contract has it, and not retained", async () => {
    const end = await start();
    await end.clock.run(end.receive("pump", '{"id":"a1","set":"on"}'));
    const time = isoTime(end.clock.wallMs());
    expect(end.published).toEqual([
      {
        topic: `${ROOT}/result/pump`,
        payload: `{"id":"a1","status":"done","state":"on","time":"${time}"}`,
        qos: 1,
        retain: false,
      },
    ]);
  });

  test("answers a plain command without an id", async () => {
    const end = await start();
    expect(await end.send("pump", "on")).toEqual([{ topic: "result/pump", status: "done", state: "on" }]);
    expect(end.relays.loads.get(5)).toBe(1);
  });

  test("also goes to the response topic, with the correlation data", async () => {
    const end = await start();
    const correlationData = Uint8Array.of(1, 2, 3);
    await end.send("pump", "on", { responseTopic: "app/replies", correlationData });
    expect(end.published.map(({ topic, correlationData }) => [topic, correlationData])).toEqual([
      [`${ROOT}/result/pump`, undefined],
      ["app/replies", correlationData],
    ]);
  });

  test("never goes to a response topic that is hostile", async () => {
    const end = await start();
    const hostile = ["", "a/#", "+/a", "$SYS/x", "a\0b", ROOT, `${ROOT}/command/fan`, `${ROOT}/status`];
    for (const responseTopic of hostile) await end.send("pump", "on", { responseTopic });
    expect(new Set(end.published.map(({ topic }) => topic))).toEqual(new Set([`${ROOT}/result/pump`]));
    expect(end.warnings).toEqual(["a response topic is refused: wildcard, reserved or the node's own"]);
  });

  test("that cannot be sent holds nothing up", async () => {
    const end = await start({ publishResult: () => Promise.reject(new Error("no link")) });
    await end.send("pump", { id: "a", set: "on" });
    expect(await end.send("pump", { id: "a", set: "on" })).toMatchObject([{ status: "duplicate" }]);
  });

  test("that the broker never acknowledges holds nothing up", async () => {
    const end = await start({ publishResult: () => new Promise(() => {}) });
    await end.send("pump", "on");
    expect(await end.send("pump", "off")).toMatchObject([{ status: "done", state: "off" }]);
  });
});

describe("an id", () => {
  test("moves an output once, also across a restart", async () => {
    const end = await start();
    const command = { id: "a1", set: "toggle" };
    expect(await end.send("pump", command)).toMatchObject([{ status: "done", state: "on" }]);
    expect(await end.send("pump", command)).toMatchObject([{ id: "a1", status: "duplicate", state: "on" }]);
    await end.restart();
    expect(await end.send("pump", command)).toMatchObject([{ id: "a1", status: "duplicate", state: "on" }]);
    expect(end.relays.loads.get(5)).toBe(0);
  });

  test("is on disk before the output moves", async () => {
    const end = await start();
    const onDisk: string[] = [];
    end.relays.onLoad = () => onDisk.push(Buffer.from(end.file.bytes).toString());
    await end.send("pump", { id: "a1", set: "on" });
    expect(onDisk).toEqual([expect.stringContaining('{"id":"a1"}\n')]);
  });

  test("has its outcome on disk when the broker gets its PUBACK", async () => {
    const end = await start();
    end.relays.writeMs = 50;
    let acknowledged = false;
    const received = end.receive("pump", '{"id":"a1","set":"on"}').then(() => {
      acknowledged = true;
    });
    await end.clock.advance(49);
    expect(acknowledged).toBe(false);
    await end.clock.run(received);
    expect(Buffer.from(end.file.bytes).toString()).toContain(
      '{"id":"a1","status":"done","state":"on","target":"pump"}\n',
    );
  });

  test("that was told no is not told yes when it comes again", async () => {
    const end = await start({ actuators: [{ id: "fridge", pin: 5, min_off: "30s" }] });
    const command = { id: "a1", set: "on" };
    expect(await end.send("fridge", command)).toMatchObject([{ status: "rejected", state: "off" }]);
    await end.clock.advance(60_000);
    expect(await end.send("fridge", command)).toEqual([
      {
        topic: "result/fridge",
        id: "a1",
        status: "duplicate",
        state: "off",
        error: "rejected: min_off: fridge may go on in 30s",
      },
    ]);
    expect(end.relays.loads.get(5)).toBe(0);
  });

  test("whose process died between journal and answer is a duplicate that was interrupted", async () => {
    const end = await start();
    end.relays.writeMs = 1_000;
    void end.receive("pump", '{"id":"a1","set":"on"}');
    await end.clock.advance(10);
    end.relays.writeMs = 0;
    await end.restart();
    expect(await end.send("pump", { id: "a1", set: "on" })).toMatchObject([
      { status: "duplicate", error: expect.stringContaining("interrupted") },
    ]);
  });

  test("is one command however many targets it is sent to", async () => {
    const end = await start();
    await end.send("pump", { id: "a1", set: "on" });
    expect(await end.send("fan", { id: "a1", set: "on" })).toMatchObject([{ status: "duplicate" }]);
    expect(end.relays.loads.get(6)).toBe(0);
  });
});

describe("what never moves an output", () => {
  test("a retained command", async () => {
    const end = await start();
    expect(await end.send("pump", "on", { retain: true })).toMatchObject([
      { status: "rejected", state: "off", error: expect.stringContaining("retained") },
    ]);
    await end.send("pump", { id: "a1", set: "on" });
    await end.send("pump", "off");
    await end.send("pump", { id: "a1", set: "on" }, { retain: true });
    expect(await end.send("pump", { id: "a1", set: "on" })).toMatchObject([
      { status: "duplicate", state: "on" },
    ]);
    expect(end.relays.loads.get(5)).toBe(0);
  });

  test("the deletion of a retained one, which is not answered either", async () => {
    const end = await start();
    expect(await end.send("pump", "", { retain: false })).toEqual([]);
    expect(end.warnings).toEqual([]);
  });

  test("a command that waited too long behind another", async () => {
    const end = await start();
    end.relays.writeMs = 1_000;
    const issued = isoTime(end.clock.wallMs());
    const both = Promise.all([
      end.receive("pump", "on"),
      end.receive("pump", JSON.stringify({ id: "late", set: "off", issued, max_age: "500ms" })),
    ]);
    await end.clock.run(both);
    expect(end.answers().at(-1)).toMatchObject({ id: "late", status: "expired", state: "on" });
  });

  test("a queued command without issued and max_age", async () => {
    const end = await start({ couldBeQueued: () => true });
    expect(await end.send("pump", "on")).toMatchObject([{ status: "rejected" }]);
    const issued = isoTime(end.clock.wallMs());
    const fresh = { set: "on", issued, max_age: "10s" };
    expect(await end.send("pump", fresh)).toMatchObject([{ status: "done" }]);
  });

  test("one too large to be carried out, which is answered all the same", async () => {
    const end = await start();
    const huge = { id: "big", set: "on", note: "x".repeat(70_000) };
    expect(await end.send("pump", huge)).toMatchObject([{ id: "big", status: "rejected" }]);
    expect(end.relays.loads.get(5)).toBe(0);
  });

  test("an id that was carried out, again, after a flood of other refusals", async () => {
    const end = await start();
    expect(await end.send("pump", { id: "first", set: "on" })).toMatchObject([{ status: "done" }]);
    for (let n = 0; n < 1_500; n++)
      await end.send("pump", { id: `junk${n}`, set: "on", issued: "2001-01-01T00:00:00Z", max_age: "1s" });
    expect(await end.send("pump", { id: "first", set: "off" })).toMatchObject([
      { status: "duplicate", state: "on" },
    ]);
  });

  test("a command to nobody, which is answered where there is somebody to answer", async () => {
    const end = await start();
    expect(await end.send("pmup", { id: "a1", set: "on" })).toEqual([
      { topic: "result/pmup", id: "a1", status: "rejected", error: "no such actuator" },
    ]);
    expect(await end.send("pmup", "on")).toEqual([]);
    expect(await end.send("pm up", { id: "a", set: "on" }, { responseTopic: "app" })).toMatchObject([
      { topic: "app" },
    ]);
    await end.downlink.receive({
      topic: "other/command/pump",
      payload: Buffer.from("on"),
      retain: false,
      qos: 1,
    });
    expect(end.relays.loads.get(5)).toBe(0);
  });

  test("something malformed, which is logged once for its reason", async () => {
    const end = await start();
    for (let n = 0; n < 100; n++) await end.send("pump", "ON");
    expect(await end.send("pump", { id: "a1", set: "ON" })).toMatchObject([{ id: "a1", status: "rejected" }]);
    for (let n = 0; n < 100; n++) await end.send("pump", { set: "on", [`key${n}`]: 1 });
    expect(end.warnings.length).toBeLessThanOrEqual(32);
    expect(end.warnings.slice(0, 2)).toEqual([
      "a command is refused: expected on, off, toggle, a number, a JSON object or a list of steps",
      "a command is refused: set: expected on, off, toggle, a number or a list of steps",
    ]);
  });
});

describe("many commands at once", () => {
  test("to one actuator go one after the other, and those beyond the bound are told busy", async () => {
    const end = await start();
    end.relays.writeMs = 100;
    const sent = Array.from({ length: 20 }, (_, n) =>
      end.receive("pump", JSON.stringify({ id: `c${n}`, set: "toggle" })),
    );
    await end.clock.run(Promise.all(sent));
    const answers = end.answers();
    const busy = answers.filter(({ error }) => error?.startsWith("busy"));
    expect(busy.map(({ id }) => id)).toEqual(["c17", "c18", "c19"]);
    const done = answers.filter(({ status }) => status === "done");
    expect(done.map(({ id }) => id)).toEqual(Array.from({ length: 17 }, (_, n) => `c${n}`));
  });

  test("to different actuators do not wait for each other", async () => {
    const end = await start();
    end.relays.writeMs = 100;
    const startMs = end.clock.monotonicMs();
    await end.clock.run(Promise.all([end.receive("pump", "on"), end.receive("fan", "on")]));
    expect(end.clock.monotonicMs() - startMs).toBe(100);
  });
});

describe("a disk that refuses", () => {
  test("lets a command with an id make an output safe, and nothing else", async () => {
    const end = await start();
    await end.send("pump", "on");
    end.file.refusesAfterBytes = 0;
    expect(await end.send("fan", { id: "a1", set: "on" })).toMatchObject([
      { status: "rejected", state: "off", error: expect.stringContaining("ENOSPC") },
    ]);
    expect(await end.send("pump", { id: "a2", set: "off" })).toMatchObject([
      { status: "done", state: "off" },
    ]);
    expect([...end.relays.loads.values()]).toEqual([0, 0]);
    end.file.refusesAfterBytes = undefined;
    expect(await end.send("fan", { id: "a3", set: "on" })).toMatchObject([{ status: "done" }]);
  });
});

describe("a command to the node", () => {
  test("is done by its handler, once for an id", async () => {
    const ran: string[] = [];
    const end = await start({
      nodeCommands: {
        sample: async () => void ran.push("sample"),
        identify: () => Promise.reject(new Error("no lamp")),
      },
    });
    expect(await end.send("node", { id: "a", do: "sample" })).toEqual([
      { topic: "result/node", id: "a", status: "done" },
    ]);
    expect(await end.send("node", { id: "a", do: "sample" })).toMatchObject([{ status: "duplicate" }]);
    expect(await end.send("node", { id: "b", do: "identify" })).toMatchObject([
      { status: "failed", error: "no lamp" },
    ]);
    expect(ran).toEqual(["sample"]);
  });

  test("without a handler is not in this version", async () => {
    const end = await start();
    expect(await end.send("node", { id: "a", do: "resend", from_seq: 1, to_seq: 2 })).toMatchObject([
      { status: "rejected", error: "resend: not in this version" },
    ]);
  });
});
