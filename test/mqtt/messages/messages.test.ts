import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { linuxClock } from "../../../src/device/linux/clock.ts";
import { type Simulation, simulate } from "../../../src/index.ts";
import { silentLog } from "../../../src/log.ts";
import { parseServer } from "../../../src/mqtt/broker/server.ts";
import { openLink } from "../../../src/mqtt/link/connect.ts";
import { networkDial } from "../../../src/mqtt/link/dial.ts";
import type { Incoming, OpenLink } from "../../../src/mqtt/link/link.ts";
import { decodeMessage, encodeMessage } from "../../../src/record/message.ts";
import { type Mosquitto, startMosquitto } from "../../broker/mosquitto.ts";

const CONFIG = `
device: { id: n1 }
mqtt: { url: mqtt://broker.example, reconnect: { min: 1s, max: 1s } }
sensors: [{ id: air, driver: bme280, interval: 10s }]
`;

let sim: Simulation;
const start = async () => {
  sim = await simulate({ config: CONFIG });
  await sim.advance("2s");
};
const outage = async (forHowLong: string, meanwhile: () => Promise<void>) => {
  sim.broker.cut();
  await sim.advance("1s");
  await meanwhile();
  await sim.advance(forHowLong);
  sim.broker.restore();
  await sim.advance("10s");
};

describe("a message of the user's own code", () => {
  afterEach(() => sim.stop());

  test("goes out as it is, with its QoS and retain flag", async () => {
    await start();
    await sim.clock.run(sim.user.publish("garden/note", "watered", { qos: 1, retain: true }));
    expect(sim.broker.messages("garden/note")).toMatchObject([{ payload: "watered", qos: 1, retain: true }]);
  });

  test("is refused at once while there is no connection, and says how to wait for one", async () => {
    await start();
    await outage("1s", async () => {
      await expect(sim.user.publish("garden/note", "x")).rejects.toThrow("buffered");
    });
    expect(sim.broker.messages("garden/note")).toEqual([]);
  });

  test("that is buffered survives an outage, a restart and a power cut, in its place among the records", async () => {
    await start();
    sim.broker.cut();
    await sim.advance("1s");
    await sim.user.publish("garden/note", "one", { buffered: true, retain: true });
    await sim.advance("15s");
    await sim.restart("power_cut");
    await sim.user.publish("garden/note", "two", { buffered: true });
    sim.broker.restore();
    await sim.advance("30s");
    expect(sim.broker.messages("garden/note")).toMatchObject([
      { payload: "one", retain: true },
      { payload: "two", retain: false },
    ]);
    const order = sim.broker.messages("#").map(({ topic }) => topic);
    expect(order.indexOf("garden/note")).toBeLessThan(order.lastIndexOf("fieldpost/n1/telemetry/air"));
  });

  test("that is buffered leaves no gap in the account: the record behind it names its number", async () => {
    await start();
    for (const text of ["a", "b", "c"]) await sim.user.publish("garden/note", text, { buffered: true });
    await sim.advance("1m");
    expect(sim.messages("event/message").map(({ json }) => json.topic)).toEqual(Array(3).fill("garden/note"));
    expect(sim.audit()).toMatchObject({ lost: 0, missing: [] });
  });

  test.each([
    ["", {}, "topic"],
    ["a/+", {}, "topic"],
    ["a/#", {}, "topic"],
    ["a", { qos: 3 }, "qos"],
  ])("with topic %j and %j is refused by name, and nothing is stored", async (topic, options, name) => {
    await start();
    const before = sim.node.status().outbox.nextSeq;
    await expect(sim.user.publish(topic, "x", { buffered: true, ...options } as never)).rejects.toThrow(name);
    expect(sim.node.status().outbox.nextSeq).toBe(before);
  });
});

describe("a subscription of the user's own code", () => {
  afterEach(() => sim.stop());

  test("hears what matches, over reconnects and a new configuration, until it ends", async () => {
    await start();
    const heard: string[] = [];
    await sim.clock.run(
      sim.user.subscribe("garden/+/set", ({ topic, payload }) => {
        heard.push(`${topic} ${Buffer.from(payload)}`);
      }),
    );
    await sim.broker.publish("garden/a/set", "1");
    await sim.broker.publish("garden/a/got", "not this");
    await sim.advance("1s");
    await outage("1s", async () => {});
    await sim.broker.publish("garden/b/set", "2");
    await sim.advance("1s");
    await sim.reload(CONFIG.replace("10s", "20s"));
    await sim.advance("5s");
    await sim.broker.publish("garden/c/set", "3");
    await sim.advance("1s");
    await sim.clock.run(sim.user.unsubscribe("garden/+/set"));
    await sim.broker.publish("garden/d/set", "4");
    await sim.advance("1s");
    expect(heard).toEqual(["garden/a/set 1", "garden/b/set 2", "garden/c/set 3"]);
  });

  test("made while there is no connection begins with the next one", async () => {
    await start();
    const heard: string[] = [];
    await outage("1s", () =>
      sim.user.subscribe("x", ({ payload }) => void heard.push(String(Buffer.from(payload)))),
    );
    await sim.broker.publish("x", "hello");
    await sim.advance("1s");
    expect(heard).toEqual(["hello"]);
  });

  test("that ends does not make the node deaf to its own commands", async () => {
    await start();
    await sim.clock.run(sim.user.subscribe("fieldpost/n1/command/+", () => {}));
    await sim.clock.run(sim.user.unsubscribe("fieldpost/n1/command/+"));
    expect(await sim.command("node", { id: "s1", do: "sample" })).toMatchObject({ status: "done" });
  });

  test("whose handler fails or hangs holds up neither the node nor the others", async () => {
    await start();
    const heard: string[] = [];
    await sim.clock.run(
      sim.user.subscribe("fieldpost/n1/command/node", () => Promise.reject(new Error("mine"))),
    );
    await sim.clock.run(sim.user.subscribe("fieldpost/n1/command/#", () => new Promise<void>(() => {})));
    await sim.clock.run(sim.user.subscribe("#", ({ topic }) => void heard.push(topic)));
    expect(await sim.command("node", { id: "s2", do: "sample" })).toMatchObject({ status: "done" });
    expect(heard).toContain("fieldpost/n1/command/node");
  });

  test.each(["", "a/#/b", "a#", "a+/b", "a/b+"])("with the filter %j is refused", async (filter) => {
    await start();
    await expect(sim.user.subscribe(filter, () => {})).rejects.toThrow("filter");
  });
});

test("the connection's coming and going is told, and no longer where nobody listens", async () => {
  await start();
  const told: string[] = [];
  const stop = [
    sim.user.onConnect(() => told.push("connected")),
    sim.user.onConnectionLost(() => told.push("lost")),
    sim.user.onConnect(() => {
      throw new Error("mine");
    }),
  ];
  await outage("1s", async () => {});
  expect(told).toEqual(["lost", "connected"]);
  for (const end of stop) end();
  await outage("1s", async () => {});
  expect(told).toHaveLength(2);
  await sim.stop();
});

test("a stored message comes back as it was, whatever its bytes; samples are told from it", () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1, unit: "grapheme" }),
      fc.uint8Array(),
      fc.constantFrom(0, 1, 2),
      fc.boolean(),
      (topic, payload, qos, retain) => {
        const decoded = decodeMessage(encodeMessage({ topic, payload, qos: qos as 0 | 1 | 2, retain }))!;
        expect({ ...decoded, payload: [...decoded.payload] }).toEqual({
          topic,
          payload: [...payload],
          qos,
          retain,
        });
      },
    ),
  );
  expect(decodeMessage(Uint8Array.of(1, 0, 0, 0))).toBeUndefined();
  expect(() => decodeMessage(Uint8Array.of(2, 3, 0, 0))).toThrow();
  expect(() => decodeMessage(Uint8Array.of(2, 0, 9, 0, 65))).toThrow();
});

describe("over mosquitto", () => {
  let broker: Mosquitto;
  beforeAll(async () => {
    broker = await startMosquitto();
  });
  afterAll(() => broker.stop());

  test.each([
    [4, 0],
    [4, 1],
    [4, 2],
    [5, 0],
    [5, 1],
    [5, 2],
  ] as const)("protocol level %i carries binary payloads at QoS %i, each once", async (version, qos) => {
    const heard: Incoming[] = [];
    let wake = () => {};
    const link: OpenLink = await openLink(
      {
        server: parseServer(broker.url),
        version,
        clientId: `messages-${version}-${qos}`,
        keepaliveMs: 25_000,
        sessionExpiryMs: 0,
        onMessage(message) {
          heard.push(message);
          wake();
        },
        clock: linuxClock(),
        log: silentLog,
      },
      networkDial(undefined, () => Promise.reject(new Error("no files"))),
      new AbortController().signal,
    );
    const payload = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    await link.subscribe([`b/${version}/${qos}`], qos);
    for (let index = 0; index < 30; index++)
      await link.publish({ topic: `b/${version}/${qos}`, payload, qos, retain: false });
    while (heard.length < 30)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    for (const message of heard) {
      expect(message.qos).toBe(qos);
      expect(Buffer.from(message.payload).equals(payload)).toBe(true);
    }
    await link.end();
    expect(heard).toHaveLength(30);
  });
});
