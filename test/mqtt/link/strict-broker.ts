import { createServer, type Socket } from "node:net";
import mqttPacket, { type Packet } from "mqtt-packet";
import type { Preset } from "../../../src/mqtt/broker/presets.ts";

/** A broker that ends the connection of who goes beyond its limits, and remembers why. */
export interface StrictBroker {
  readonly port: number;
  readonly offences: string[];
  /** What it took. */
  readonly accepted: { readonly topic: string; readonly qos: number; readonly atMs: number }[];
  /** Of each SUBSCRIBE, how many filters. */
  readonly subscribes: number[];
  close(): Promise<void>;
}

/** PUBACKs take this long, so that what is under way at once counts. */
const PUBACK_MS = 20;

const SECOND_MS = 1_000;

/** Speaks as much MQTT 3.1.1 as a client needs to send. */
export async function startStrictBroker(limits: Preset): Promise<StrictBroker> {
  const offences: string[] = [];
  const accepted: { topic: string; qos: number; atMs: number }[] = [];
  const subscribes: number[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    const parser = mqttPacket.parser();
    let underWay = 0;
    const times: number[] = [];
    const send = (packet: Packet) => socket.writable && socket.write(mqttPacket.generate(packet));
    const offend = (what: string) => {
      offences.push(what);
      socket.destroy();
    };
    parser.on("packet", (packet) => {
      if (socket.destroyed) return;
      const offence = offenceOf(packet, limits);
      if (offence) return offend(offence);
      if (packet.cmd === "connect") send({ cmd: "connack", returnCode: 0, sessionPresent: false });
      if (packet.cmd === "pingreq") send({ cmd: "pingresp" });
      if (packet.cmd === "subscribe") {
        subscribes.push(packet.subscriptions.length);
        send({ cmd: "suback", messageId: packet.messageId!, granted: packet.subscriptions.map(() => 1) });
      }
      if (packet.cmd !== "publish") return;
      const nowMs = performance.now();
      times.push(nowMs);
      const inSecond = times.filter((atMs) => atMs > nowMs - SECOND_MS).length;
      if (inSecond > (limits.publishesPerSecond ?? Number.POSITIVE_INFINITY))
        return offend(`${inSecond} messages in a second`);
      accepted.push({ topic: packet.topic, qos: packet.qos, atMs: nowMs });
      if (packet.qos === 0) return;
      if (++underWay > (limits.inFlight ?? 65_535)) return offend(`${underWay} messages under way`);
      setTimeout(() => {
        underWay--;
        send(
          packet.qos === 1
            ? { cmd: "puback", messageId: packet.messageId! }
            : { cmd: "pubrec", messageId: packet.messageId! },
        );
      }, PUBACK_MS);
    });
    socket.on("data", (bytes) => parser.parse(bytes));
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as { port: number }).port,
    offences,
    accepted,
    subscribes,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function offenceOf(packet: Packet, limits: Preset): string | undefined {
  const { keepaliveSeconds: bounds } = limits;
  if (packet.cmd === "connect") {
    const seconds = packet.keepalive ?? 0;
    if (bounds && (seconds < bounds.min || seconds > bounds.max)) return `keep alive of ${seconds} s`;
    if (Buffer.byteLength(packet.clientId) > limits.clientIdBytes) return "a long client id";
  }
  if (packet.cmd === "subscribe") {
    const count = packet.subscriptions.length;
    if (count > (limits.filtersPerSubscribe ?? Number.POSITIVE_INFINITY)) return `${count} filters at once`;
  }
  if (packet.cmd !== "publish") return undefined;
  const { topic, payload, qos, retain } = packet;
  if (qos > limits.maximumQos) return `QoS ${qos}`;
  if (topic.split("/").length > (limits.topicLevels ?? Number.POSITIVE_INFINITY)) return "a deep topic";
  if (Buffer.byteLength(topic) > limits.topicBytes) return "a long topic";
  const { maximumPayloadBytes, maximumRetainedBytes = maximumPayloadBytes } = limits;
  if (payload.length > maximumPayloadBytes) return "a large message";
  return retain && payload.length > maximumRetainedBytes ? "a large retained message" : undefined;
}
