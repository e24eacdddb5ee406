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
      brokerEnd.stream.destroy();
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
  function createLane(end: End): (packet: Packet, protocolVersion?: number) => void {
    let last: Promise<void> | undefined;
    const forward = (packet: Packet, protocolVersion = 4) => {
      onPacket();
      if (!end.stream.destroyed && !muted) end.deliver(mqttPacket.generate(packet, { protocolVersion }));
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
  function hangUp(end: End): void {
    if (muted || end.stream.destroyed) return;
    onPacket();
    end.finish();
    setImmediate(() => end.stream.destroy());
  }

  function cut(): void {
    onPacket();
    nodeEnd.stream.destroy();
    brokerEnd.stream.destroy();
  }

  return {
    nodeEnd: nodeEnd.stream,
    brokerEnd: brokerEnd.stream,
    mute() {
      muted = true;
    },
    cut,
  };
}

interface End {
  readonly stream: Duplex;
  /** What whoever holds this end reads next. */
  deliver(bytes: Buffer): void;
  /** Nothing comes any more. */
  finish(): void;
}

/**
 * Hands out all that has come as one chunk, and no second before that one is read: since Node 26 `read()` returns one
 * chunk, and aedes calls it once for each `readable`.
 */
function createEnd(received: (bytes: Buffer) => void, gone: () => void): End {
  let waiting: Buffer[] = [];
  let wanted = false;
  const handOut = () => {
    const bytes = Buffer.concat(waiting);
    waiting = [];
    wanted = false;
    if (!stream.destroyed) stream.push(bytes);
  };
  const stream = new Duplex({
    readableHighWaterMark: 1,
    read() {
      wanted = true;
      // Not within `read()`: a chunk that comes while another is being read announces itself by no event.
      if (waiting.length > 0) setImmediate(() => wanted && waiting.length > 0 && handOut());
    },
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
  stream.on("error", () => {});
  return {
    stream,
    deliver(bytes) {
      waiting.push(bytes);
      if (wanted) handOut();
    },
    finish() {
      if (waiting.length > 0) handOut();
      stream.push(null);
    },
  };
}
