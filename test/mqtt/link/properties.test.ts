import type { Packet } from "mqtt-packet";
import { describe, expect, test } from "vitest";
import { VirtualClock } from "../../../src/device/sim/clock.ts";
import { silentLog } from "../../../src/log.ts";
import { parseServer } from "../../../src/mqtt/broker/server.ts";
import { type LinkOptions, openLink } from "../../../src/mqtt/link/connect.ts";
import type { Incoming, Outgoing } from "../../../src/mqtt/link/link.ts";
import { type ScriptedBroker, scriptedBroker } from "./scripted-broker.ts";

/** A link to a broker that announces what a test wants and acknowledges everything. */
async function connect(connack: object, options: Partial<LinkOptions> = {}) {
  const version = options.version ?? 5;
  const broker: ScriptedBroker = scriptedBroker((packet, { send }) => {
    if (packet.cmd === "connect")
      send({
        cmd: "connack",
        sessionPresent: false,
        ...(version === 5 ? { reasonCode: 0, properties: connack } : { returnCode: 0 }),
      } as never);
    if (packet.cmd === "publish" && packet.qos === 1)
      send({ cmd: "puback", messageId: packet.messageId!, reasonCode: 0 } as never);
  }, version);
  const clock = new VirtualClock({ wallMs: 0 });
  const link = await openLink(
    {
      server: parseServer("mqtt://a"),
      version,
      clientId: "n1",
      keepaliveMs: 25_000,
      sessionExpiryMs: 0,
      onMessage() {},
      clock,
      log: silentLog,
      ...options,
    },
    async () => broker.stream,
    new AbortController().signal,
  );
  const sent = <C extends Packet["cmd"]>(cmd: C) =>
    broker.received.filter((packet): packet is Extract<Packet, { cmd: C }> => packet.cmd === cmd);
  return { broker, clock, link, sent };
}

const message: Outgoing = { topic: "a/long/topic/of/a/reading", payload: "x", qos: 1, retain: false };

describe("in MQTT 5", () => {
  test("CONNECT carries session expiry, the node's own limits and the will's delay", async () => {
    const { sent } = await connect(
      {},
      { sessionExpiryMs: 60_000, will: { topic: "s", payload: "offline" }, willDelayMs: 30_000 },
    );
    expect(sent("connect")[0]).toMatchObject({
      clean: false,
      properties: { sessionExpiryInterval: 60, receiveMaximum: 20, maximumPacketSize: 262_144 },
      will: { retain: true, properties: { willDelayInterval: 30 } },
    });
  });

  test("a topic goes out once, and then as its alias, as far as the broker takes aliases", async () => {
    const { link, sent } = await connect({ topicAliasMaximum: 1 });
    for (const topic of ["a", "a", "a"]) await link.publish({ ...message, topic });
    expect(sent("publish").map(({ topic, properties }) => [topic, properties?.topicAlias])).toEqual([
      ["a", 1],
      ["", 1],
      ["", 1],
    ]);
  });

  test("no alias is used where the broker takes none", async () => {
    const { link, sent } = await connect({});
    for (let count = 0; count < 2; count++) await link.publish(message);
    for (const { topic, properties } of sent("publish")) {
      expect(topic).toBe(message.topic);
      expect(properties?.topicAlias).toBeUndefined();
    }
  });

  test("a message carries its expiry and user properties", async () => {
    const { link, sent } = await connect({});
    await link.publish({ ...message, expirySeconds: 3_600, userProperties: { site: "north" } });
    expect(sent("publish")[0]!.properties).toMatchObject({
      messageExpiryInterval: 3_600,
      userProperties: { site: "north" },
    });
  });

  test("Maximum Packet Size counts the properties too, and refuses without losing the link", async () => {
    const { link, sent } = await connect({ maximumPacketSize: 100 });
    await expect(
      link.publish({ ...message, userProperties: { site: "x".repeat(80) } }),
    ).rejects.toMatchObject({
      // The code that makes the uplink set the record aside.
      code: 0x95,
      message: "the broker refuses the message: packet too large (code 149)",
    });
    await link.publish(message);
    expect(sent("publish")).toHaveLength(1);
    expect(link.closed.aborted).toBe(false);
  });

  test("a command comes with the response topic and the correlation data of its sender", async () => {
    const came: Incoming[] = [];
    const { broker } = await connect({}, { onMessage: (message) => void came.push(message) });
    broker.send({
      cmd: "publish",
      topic: "n1/command/pump",
      payload: "on",
      qos: 0,
      dup: false,
      retain: false,
      properties: { responseTopic: "app/replies", correlationData: Buffer.from([1, 0, 255]) },
    });
    await new Promise(setImmediate);
    expect(came).toMatchObject([
      { topic: "n1/command/pump", responseTopic: "app/replies", correlationData: Buffer.from([1, 0, 255]) },
    ]);
  });

  test("the node's own client id stands, also where a broker assigns one unasked", async () => {
    const { link, sent } = await connect({ assignedClientIdentifier: "auto-1" });
    await link.publish(message);
    expect(sent("connect")[0]!.clientId).toBe("n1");
    expect(link.closed.aborted).toBe(false);
  });

  test("Receive Maximum and server keep-alive are the broker's word", async () => {
    const { clock, link, sent } = await connect({ receiveMaximum: 7, serverKeepAlive: 4 });
    expect(link.receiveMaximum).toBe(7);
    await clock.advance(4_000);
    expect(sent("pingreq").length).toBeGreaterThan(0);
  });
});

test("MQTT 3.1.1 knows none of it, and the message goes out all the same", async () => {
  const { link, sent } = await connect(
    {},
    { version: 4, will: { topic: "s", payload: "offline" }, willDelayMs: 1_000 },
  );
  await link.publish({ ...message, expirySeconds: 3_600, userProperties: { site: "north" } });
  expect(sent("publish")).toMatchObject([{ topic: message.topic, payload: Buffer.from("x") }]);
});
