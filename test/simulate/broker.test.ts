import type { Duplex } from "node:stream";
import mqttPacket, { type Packet } from "mqtt-packet";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { createSimBroker, type SimBroker } from "../../src/simulate/broker.ts";

const clock = new VirtualClock({ wallMs: 0 });
let broker: SimBroker;
beforeEach(async () => {
  broker = await createSimBroker({ clock });
});
afterEach(() => broker.close());

/** The least of a client: writes packets, keeps what comes back. */
async function client(clientId = "c1", will?: { topic: string; payload: Buffer }) {
  const stream: Duplex = await broker.dial();
  const received: Packet[] = [];
  const parser = mqttPacket.parser();
  parser.on("packet", (packet) => received.push(packet));
  stream.on("data", (chunk: Buffer) => parser.parse(chunk));
  const send = async (packet: Packet) => {
    stream.write(mqttPacket.generate(packet));
    await broker.settled();
  };
  await send({
    cmd: "connect",
    clientId,
    protocolVersion: 4,
    clean: true,
    keepalive: 0,
    ...(will && { will }),
  });
  let messageId = 0;
  return {
    stream,
    received,
    got: (cmd: Packet["cmd"]) => received.filter((packet) => packet.cmd === cmd).length,
    subscribe: (topic: string) =>
      send({ cmd: "subscribe", messageId: ++messageId, subscriptions: [{ topic, qos: 1 }] }),
    publish: (topic: string, payload: string, retain = false) =>
      send({ cmd: "publish", topic, payload, qos: 1, retain, dup: false, messageId: ++messageId }),
  };
}

describe("the simulated broker", () => {
  test("remembers what was published, in order, and what is retained", async () => {
    const node = await client();
    await node.publish("n1/telemetry/air", '{"seq":1}');
    await node.publish("n1/state/pump", "on", true);
    await node.publish("n1/telemetry/air", '{"seq":2}');
    expect(node.got("puback")).toBe(3);
    expect(broker.json("n1/telemetry/+")).toEqual([{ seq: 1 }, { seq: 2 }]);
    expect(broker.messages()).toHaveLength(3);
    expect(broker.retained("n1/state/pump")).toBe("on");
    await node.publish("n1/state/pump", "", true);
    expect(broker.retained("n1/state/pump")).toBeUndefined();
  });

  test("counts duplicates by sequence number", async () => {
    const node = await client();
    for (const seq of [1, 2, 2, 3, 1]) await node.publish("t", `{"seq":${seq}}`);
    expect(broker.duplicates()).toBe(2);
  });

  test("brings its own messages to those who subscribed, retained ones later too", async () => {
    await broker.publish("n1/command/pump", "on", { retain: true });
    const node = await client();
    await node.subscribe("n1/command/+");
    await broker.publish("n1/command/pump", "off");
    await broker.settled();
    expect(node.got("publish")).toBe(2);
    expect(broker.messages()).toEqual([]);
  });

  test("waits for a message, past or to come", async () => {
    const node = await client();
    const coming = broker.waitFor("a/+", ({ payload }) => payload === "2");
    await node.publish("a/b", "1");
    await node.publish("a/b", "2");
    expect(await coming).toMatchObject({ clientId: "c1", topic: "a/b", payload: "2" });
    expect(await broker.waitFor("a/#")).toMatchObject({ payload: "1" });
  });

  test("cut off, it drops everyone, publishes their wills and takes nobody", async () => {
    const node = await client("c1", { topic: "n1/status", payload: Buffer.from("offline") });
    broker.cut();
    await broker.settled();
    expect(node.stream.destroyed).toBe(true);
    expect(broker.messages("n1/status")).toMatchObject([{ payload: "offline" }]);
    await expect(broker.dial()).rejects.toThrow("cut off");
    broker.restore();
    expect((await client()).got("connack")).toBe(1);
  });

  test("keeps what is retained over a cut, unless it is to forget", async () => {
    await (await client()).publish("a", "kept", true);
    broker.cut();
    broker.restore();
    const second = await client();
    await second.subscribe("a");
    expect(second.got("publish")).toBe(1);
    await broker.forget();
    const third = await client("c3");
    await third.subscribe("a");
    expect(third.got("publish")).toBe(0);
    expect(broker.retained("a")).toBeUndefined();
  });

  test("hanging, it takes connections and answers nothing", async () => {
    broker.hang();
    const node = await client();
    expect(node.received).toEqual([]);
    expect(node.stream.destroyed).toBe(false);
  });

  test("half open, the connections there are die silently, new ones work", async () => {
    const node = await client();
    broker.halfOpen();
    await node.publish("a", "lost");
    expect(node.got("puback")).toBe(0);
    expect(node.stream.destroyed).toBe(false);
    expect(broker.messages()).toEqual([]);
    const second = await client("c2");
    await second.publish("a", "heard");
    expect(broker.messages()).toHaveLength(1);
  });

  test("swallows PUBACKs of messages that it has", async () => {
    const node = await client();
    broker.dropPubacks(true);
    await node.publish("a", "1");
    expect(node.got("puback")).toBe(0);
    expect(broker.messages()).toHaveLength(1);
    broker.dropPubacks(false);
    await node.publish("a", "2");
    expect(node.got("puback")).toBe(1);
  });

  test("refuses with the return code it was told", async () => {
    broker.refuse(5);
    const node = await client();
    expect(node.received).toMatchObject([{ cmd: "connack", returnCode: 5 }]);
    expect(node.stream.destroyed).toBe(true);
  });

  test("delays each packet each way, in order", async () => {
    const node = await client();
    broker.delay(500);
    await node.publish("a", "1");
    await node.publish("a", "2");
    await clock.advance(499);
    expect(broker.messages()).toEqual([]);
    await clock.advance(1);
    await broker.settled();
    expect(broker.messages().map(({ payload }) => payload)).toEqual(["1", "2"]);
    expect(node.got("puback")).toBe(0);
    await clock.advance(500);
    expect(node.got("puback")).toBe(2);
  });

  test("serves TCP as well, with the same faults", async () => {
    const { connect } = await import("node:net");
    const url = new URL(await broker.listen());
    const socket = connect({ host: url.hostname, port: Number(url.port) });
    socket.write(
      mqttPacket.generate({ cmd: "connect", clientId: "tcp", protocolVersion: 4, clean: true, keepalive: 0 }),
    );
    await new Promise((resolve) => socket.once("data", resolve));
    expect(broker.connections()).toBe(1);
    const closed = new Promise((resolve) => socket.once("close", resolve));
    broker.cut();
    await closed;
  });

  test("remembers no more than it is asked to", async () => {
    const small = await createSimBroker({ keepMessages: 2 });
    const stream = await small.dial();
    const write = (packet: Packet) => stream.write(mqttPacket.generate(packet));
    write({ cmd: "connect", clientId: "c", protocolVersion: 4, clean: true, keepalive: 0 });
    await small.settled();
    for (const payload of ["1", "2", "3"])
      write({ cmd: "publish", topic: "a", payload, qos: 0, retain: false, dup: false });
    await small.settled();
    expect(small.messages().map(({ payload }) => payload)).toEqual(["2", "3"]);
    await small.close();
  });
});
