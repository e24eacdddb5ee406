import type { IConnackPacket, IConnectPacket, Packet } from "mqtt-packet";
import { describe, expect, test } from "vitest";
import { VirtualClock } from "../../../src/device/sim/clock.ts";
import { silentLog } from "../../../src/log.ts";
import { parseServer } from "../../../src/mqtt/broker/server.ts";
import { type LinkOptions, openLink } from "../../../src/mqtt/link/connect.ts";
import {
  ConnectionRefusedError,
  type OpenLink,
  PublishRefusedError,
  SessionTakenOverError,
  UnsupportedVersionError,
} from "../../../src/mqtt/link/link.ts";
import { type ScriptedBroker, scriptedBroker } from "./scripted-broker.ts";

const clock = new VirtualClock({ wallMs: Date.UTC(2026, 0, 1) });

function open(
  broker: ScriptedBroker,
  options: Partial<LinkOptions> = {},
  signal = new AbortController().signal,
) {
  return openLink(
    {
      server: parseServer("mqtt://b"),
      version: 5,
      clientId: "n1",
      keepaliveMs: 25_000,
      sessionExpiryMs: 0,
      will: { topic: "n1/status", payload: "offline" },
      onMessage() {},
      clock,
      log: silentLog,
      ...options,
    },
    async () => broker.stream,
    signal,
  );
}

const connack = (reasonCode: number, properties?: IConnackPacket["properties"]): IConnackPacket => ({
  cmd: "connack",
  sessionPresent: false,
  reasonCode,
  ...(properties && { properties }),
});

/** Accepts, and answers the rest as `answer` says. */
const accepting = (
  answer: (packet: Packet, broker: ScriptedBroker) => void = () => {},
  properties?: IConnackPacket["properties"],
) =>
  scriptedBroker((packet, broker) => {
    if (packet.cmd === "connect") broker.send(connack(0, properties));
    else answer(packet, broker);
  });

const gone = (link: OpenLink) =>
  new Promise<Error>((resolve) => link.closed.addEventListener("abort", () => resolve(link.closed.reason)));
const hello = { topic: "t", payload: "x", qos: 1, retain: false } as const;

describe("CONNECT", () => {
  test("carries the will, the session's expiry and what the node can take", async () => {
    const broker = accepting();
    const link = await open(broker, { sessionExpiryMs: 3_600_000, username: "u", password: "p" });
    expect(broker.received[0]).toMatchObject({
      clientId: "n1",
      clean: false,
      keepalive: 25,
      username: "u",
      will: { topic: "n1/status", payload: Buffer.from("offline"), qos: 1, retain: true },
      properties: { sessionExpiryInterval: 3_600, receiveMaximum: 20, maximumPacketSize: 262_144 },
    });
    link.abandon(new Error("done"));
  });

  test("carries a will of bytes that the broker is not to keep", async () => {
    const broker = accepting();
    const payload = Uint8Array.of(0x00, 0xff);
    const link = await open(broker, { will: { topic: "n1/death", payload, retain: false } });
    expect(broker.received[0]).toMatchObject({
      will: { payload: Buffer.from(payload), qos: 1, retain: false },
    });
    link.abandon(new Error("done"));
  });

  test("starts clean where no session is to be kept", async () => {
    const broker = accepting();
    const link = await open(broker);
    expect((broker.received[0] as IConnectPacket).clean).toBe(true);
    link.abandon(new Error("done"));
  });
});

describe("a connection that is not made", () => {
  const refused = (code: number) => open(scriptedBroker((_packet, broker) => broker.send(connack(code))));

  test.each([
    [0x87, "not authorized: check mqtt.username, mqtt.password and the broker's access list (code 135)"],
    [0x85, "client identifier not valid: set another mqtt.client_id (code 133)"],
    [0xff, "unknown reason (code 255)"],
  ])("reason code %i is told in words", async (code, words) => {
    const error = await refused(code).catch((error) => error);
    expect(error).toBeInstanceOf(ConnectionRefusedError);
    expect(error.message).toBe(`the broker refuses the connection: ${words}`);
  });

  test.each([
    ["a refusal in MQTT 5", (broker: ScriptedBroker) => broker.send(connack(0x84))],
    ["a refusal in MQTT 3.1.1", (broker: ScriptedBroker) => broker.sendBytes(0x20, 2, 0, 1)],
    ["closing without an answer", (broker: ScriptedBroker) => broker.close()],
    ["something that is no MQTT", (broker: ScriptedBroker) => broker.sendBytes(0x20, 0xff, 0xff, 0xff, 0xff)],
  ])("%s may mean that the broker speaks 3.1.1 only", async (_what, answer) => {
    await expect(open(scriptedBroker((_packet, broker) => answer(broker)))).rejects.toBeInstanceOf(
      UnsupportedVersionError,
    );
  });

  test("an answer that does not come ends at the deadline", async () => {
    const broker = scriptedBroker(() => {});
    const opening = open(broker, { connectTimeoutMs: 5_000 });
    await expect(clock.run(opening)).rejects.toThrow("connecting to mqtt://b:1883 took longer than 5000 ms");
    expect(broker.stream.destroyed).toBe(true);
  });

  test("an abort ends it at once", async () => {
    const stop = new AbortController();
    const broker = scriptedBroker(() => {});
    const opening = open(broker, {}, stop.signal);
    setImmediate(() => stop.abort(new Error("enough")));
    await expect(opening).rejects.toThrow("enough");
    expect(broker.stream.destroyed).toBe(true);
  });
});

describe("a link", () => {
  test("knows the broker's limits", async () => {
    const link = await open(accepting(undefined, { receiveMaximum: 7, maximumPacketSize: 1_000 }));
    expect(link).toMatchObject({ receiveMaximum: 7, maximumPacketBytes: 1_000 });
    link.abandon(new Error("done"));
  });

  test("asks for no more than the broker offers", async () => {
    const broker = accepting(undefined, { maximumQoS: 0, retainAvailable: false });
    const link = await open(broker);
    await link.publish({ ...hello, retain: true });
    await new Promise(setImmediate);
    expect(broker.received.at(-1)).toMatchObject({ cmd: "publish", qos: 0, retain: false });
    link.abandon(new Error("done"));
  });

  test("a message refused by PUBACK fails alone", async () => {
    const broker = accepting(({ cmd, messageId }, broker) => {
      if (cmd === "publish") broker.send({ cmd: "puback", messageId: messageId!, reasonCode: 0x97 });
    });
    const link = await open(broker);
    const error = await link.publish(hello).catch((error) => error);
    expect(error).toBeInstanceOf(PublishRefusedError);
    expect(error).toMatchObject({
      code: 0x97,
      message: "the broker refuses the message: quota exceeded (code 151)",
    });
    expect(link.closed.aborted).toBe(false);
    link.abandon(new Error("done"));
  });

  test("fails what is under way when it is lost, and everything after", async () => {
    const broker = accepting(({ cmd }, broker) => {
      if (cmd === "publish") broker.close();
    });
    const link = await open(broker);
    const subscribing = link.subscribe(["a"]).catch((error) => error.message);
    await expect(link.publish(hello)).rejects.toThrow("the broker closed the connection");
    expect(await subscribing).toBe("the broker closed the connection");
    await expect(link.publish(hello)).rejects.toThrow("the broker closed the connection");
    await expect(link.subscribe(["a"])).rejects.toThrow("the broker closed the connection");
  });

  test("quotes the broker's last words", async () => {
    const broker = accepting();
    const link = await open(broker);
    const lost = gone(link);
    broker.send({ cmd: "disconnect", reasonCode: 0x8e, properties: { reasonString: "twin" } });
    broker.close();
    expect((await lost).message).toBe(
      'the broker ended the connection: session taken over (code 142, "twin")',
    );
  });

  test("knows that another client has taken the session over", async () => {
    const broker = accepting();
    const link = await open(broker);
    const lost = gone(link);
    broker.send({ cmd: "disconnect", reasonCode: 0x8e });
    broker.close();
    expect(await lost).toBeInstanceOf(SessionTakenOverError);
  });

  test("on a slow link each message may take its time once it is its turn", async () => {
    const unanswered: number[] = [];
    const broker = accepting(({ cmd, messageId }, broker) => {
      if (cmd === "publish") unanswered.push(messageId!);
      if (cmd === "pingreq") broker.send({ cmd: "pingresp" });
    });
    const link = await open(broker);
    const publishing = Array.from({ length: 10 }, () => link.publish(hello));
    for (let message = 0; message < 10; message++) {
      await clock.advance(20_000);
      broker.send({ cmd: "puback", messageId: unanswered.shift()!, reasonCode: 0 });
      await clock.advance(0);
    }
    await Promise.all(publishing);
    expect(link.closed.aborted).toBe(false);
    link.abandon(new Error("done"));
  });

  test("keeps the keep alive interval that the broker asks for", async () => {
    const broker = accepting(undefined, { serverKeepAlive: 4 });
    const link = await open(broker);
    const lost = gone(link);
    await clock.advance(3_500);
    expect(broker.received.at(-1)).toMatchObject({ cmd: "pingreq" });
    await clock.advance(2_500);
    expect((await lost).message).toBe("the broker has been silent for 5 s");
  });

  test("a busy link needs no pings", async () => {
    const broker = accepting(({ cmd, messageId }, broker) => {
      if (cmd === "publish") broker.send({ cmd: "puback", messageId: messageId!, reasonCode: 0 });
    });
    const link = await open(broker);
    for (let second = 0; second < 120; second++) {
      await link.publish(hello);
      await clock.advance(1_000);
    }
    expect(broker.received.filter(({ cmd }) => cmd === "pingreq")).toEqual([]);
    link.abandon(new Error("done"));
  });

  test("one unanswered message ends it, although the others are answered", async () => {
    let ignored: number | undefined;
    const broker = accepting(({ cmd, messageId }, broker) => {
      if (cmd === "publish") ignored ??= messageId;
      if (cmd === "pingreq") broker.send({ cmd: "pingresp" });
      if (cmd === "publish" && messageId !== ignored)
        broker.send({ cmd: "puback", messageId: messageId!, reasonCode: 0 });
    });
    const link = await open(broker);
    const lost = gone(link);
    const stuck = link.publish(hello).catch((error) => error.message);
    for (let second = 0; second < 45; second++) {
      await link.publish(hello);
      await clock.advance(1_000);
    }
    expect(link.closed.aborted).toBe(false);
    await clock.advance(25_000);
    expect(await stuck).toBe("the broker has left a message unacknowledged for 50 s");
    expect((await lost).message).toBe(await stuck);
  });

  test("gives up on goodbye after a second", async () => {
    const broker = accepting();
    const link = await open(broker);
    await clock.run(link.end(), 1_000);
    expect(broker.received.at(-1)).toMatchObject({ cmd: "disconnect" });
    expect(broker.stream.destroyed).toBe(true);
    expect(link.closed.aborted).toBe(true);
  });

  test("packets that are no MQTT end it with a reason", async () => {
    const broker = accepting();
    const link = await open(broker);
    const lost = gone(link);
    broker.sendBytes(0x30, 0x00);
    expect((await lost).message).toMatch(/topic|parse/i);
  });
});
