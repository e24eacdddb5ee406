import { Duplex } from "node:stream";
import mqttPacket, { type Packet } from "mqtt-packet";
import type { Clock } from "../device/clock.ts";

/** What may befall a connection, read anew for each packet. */
export interface WireFaults {
  /** The broker's PUBACKs vanish. */
  dropPubacks: boolean;
  /** Each packet takes this long, each way. */
  delayMs: number;
  /** CONNECT is answered with this return code (MQTT 3.1.1, section 3.2.2.3), and the connection closed. */
  refuseCode: number | undefined;
}

export interface Wire {
  /** For the node. */
  readonly nodeEnd: Duplex;
  /** For the broker. */
  readonly brokerEnd: Duplex;
  /** From now on nothing gets through either way, and nobody notices. */
  mute(): void;
  /** Breaks the connection for both. */
  cut(): void;
}

export interface WireOptions {
  readonly faults: Readonly<WireFaults>;
  /** For `delayMs`. */
  readonly clock: Clock | undefined;
  /** Called for each packet that gets through. */
  readonly onPacket: () => void;
}

/** A connection in memory that understands the packets going over it, so that it can lose single ones. */
export function createWire({ faults, clock, onPacket }: WireOptions): Wire {
  let muted = false;
  const nodeEnd = createEnd(
    (bytes) => void fromNode.parse(bytes),
    () => hangUp(brokerEnd),
  );
  const brokerEnd = createEnd(
    (bytes) => void fromBroker.parse(bytes),
    () => hangUp(nodeEnd),
  );
  const toBroker = createLane(brokerEnd);
  const toNode = createLane(nodeEnd);
  const fromNode = mqttPacket.parser();
  const fromBroker = mqttPacket.parser();

  fromNode.on("packet", (packet) => {
    if (muted) return;
    if (packet.cmd === "connect" && packet.protocolVersion !== 5 && faults.refuseCode !== undefined) {
      toNode({ cmd: "connack", returnCode: faults.refuseCode, sessionPresent: false });
      brokerEnd.destroy();
      return;
    }
    toBroker(packet, packet.cmd === "connect" ? packet.protocolVersion : undefined);
  });
  fromBroker.on("packet", (packet) => {
    if (muted || (packet.cmd === "puback" && faults.dropPubacks)) return;
    toNode(packet);
  });
  for (const parser of [fromNode, fromBroker]) parser.on("error", () => cut());

  /** One direction: packets stay in order, however long each is delayed. */
  function createLane(end: Duplex): (packet: Packet, protocolVersion?: number) => void {
    let last: Promise<void> | undefined;
    const forward = (packet: Packet, protocolVersion = 4) => {
      onPacket();
      if (!end.destroyed && !muted) end.push(mqttPacket.generate(packet, { protocolVersion }));
    };
    return (packet, protocolVersion) => {
      if (clock === undefined || (faults.delayMs === 0 && last === undefined)) {
        forward(packet, protocolVersion);
        return;
      }
      const mine = Promise.all([last, clock.sleep(faults.delayMs)]).then(() => {
        forward(packet, protocolVersion);
        if (last === mine) last = undefined;
      });
      last = mine;
    };
  }

  /** What one end does to itself the other hears of, unless the line is dead. */
  function hangUp(end: Duplex): void {
    if (muted || end.destroyed) return;
    onPacket();
    end.push(null);
    setImmediate(() => end.destroy());
  }

  function cut(): void {
    onPacket();
    nodeEnd.destroy();
    brokerEnd.destroy();
  }

  return {
    nodeEnd,
    brokerEnd,
    mute() {
      muted = true;
    },
    cut,
  };
}

function createEnd(received: (bytes: Buffer) => void, gone: () => void): Duplex {
  const end = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      received(chunk);
      done();
    },
    final(done) {
      gone();
      done();
    },
    destroy(error, done) {
      gone();
      done(error);
    },
  });
  end.on("error", () => {});
  return end;
}
