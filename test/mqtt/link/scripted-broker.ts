import { Duplex } from "node:stream";
import mqttPacket, { type Packet } from "mqtt-packet";

/** A connection whose far end says what a test tells it to, packet by packet. */
export interface ScriptedBroker {
  readonly stream: Duplex;
  /** What the node sent. */
  readonly received: Packet[];
  send(packet: Packet): void;
  /** Bytes that need not be MQTT. */
  sendBytes(...bytes: readonly number[]): void;
  close(): void;
}

/** `answer` is called with each packet from the node. */
export function scriptedBroker(
  answer: (packet: Packet, broker: ScriptedBroker) => void,
  protocolVersion: 4 | 5 = 5,
): ScriptedBroker {
  const parser = mqttPacket.parser({ protocolVersion });
  const stream = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      parser.parse(chunk);
      done();
    },
  });
  const broker: ScriptedBroker = {
    stream,
    received: [],
    send: (packet) => void stream.push(mqttPacket.generate(packet, { protocolVersion })),
    sendBytes: (...bytes) => void stream.push(Buffer.from(bytes)),
    close: () => void stream.push(null),
  };
  parser.on("packet", (packet) => {
    broker.received.push(packet);
    // Not before the node is through with sending.
    setImmediate(() => answer(packet, broker));
  });
  return broker;
}
