import { connect, createServer, type Server, type Socket } from "node:net";
import mqttPacket, { type Packet, type Parser } from "mqtt-packet";
import type { Random } from "../../src/device/random.ts";
import { byteLane } from "./byte-lane.ts";
import { freePort } from "./mosquitto.ts";

/** What becomes of the broker's PUBACKs. */
export type PubackFate = "pass" | "swallow" | "reorder";

export interface CutOptions {
  /** Of the new connections, how many are cut: 0 to 1. */
  readonly probability: number;
  /** A cut comes after at most this many bytes, both ways counted together. */
  readonly withinBytes: number;
  readonly random: Random;
}

/** A TCP proxy on loopback between a node and a broker that understands the packets going back, and can be told to fail. */
export interface Proxy {
  readonly port: number;
  /** Connections there are now, and all that were ever accepted. */
  open(): number;
  accepted(): number;
  /** Connections that were cut at a random byte. */
  severed(): number;
  /** PUBACKs that were swallowed, and those that left in another order than they came. */
  swallowed(): number;
  reordered(): number;

  /** Breaks every connection and lets nothing listen, until {@link restore}. */
  refuse(): Promise<void>;
  /** Answers each CONNECT with this code in its CONNACK, until {@link restore}. */
  refuseWith(code: number): void;
  /** Accepts new connections and passes nothing on, either way, until {@link restore}. */
  blackHole(): void;
  /** The connections there are go silent both ways, for ever: no FIN, no RST. New ones work. */
  halfOpen(): void;
  pubacks(fate: PubackFate): void;
  /** All connections pass this many bytes a second each way; undefined: as fast as they come. */
  trickle(bytesPerSecond: number | undefined): void;
  /** Cuts some of the new connections at a random byte; undefined: none. */
  cutting(options: CutOptions | undefined): void;
  /** Breaks every connection: with a FIN, or with a RST. */
  cut(how: "fin" | "rst"): void;
  /** Where new connections go. */
  upstream(port: number): void;
  /** Ends every fault, except that a silent connection stays silent. */
  restore(): Promise<void>;
  close(): Promise<void>;
}

/** How long a PUBACK is held back to leave behind a later one. */
const REORDER_MS = 15;

interface Faults {
  refuseCode: number | undefined;
  blackHole: boolean;
  pubacks: PubackFate;
  bytesPerSecond: number | undefined;
  cutting: CutOptions | undefined;
}

const none: Faults = {
  refuseCode: undefined,
  blackHole: false,
  pubacks: "pass",
  bytesPerSecond: undefined,
  cutting: undefined,
};

interface Counts {
  accepted: number;
  severed: number;
  swallowed: number;
  reordered: number;
}

/** One connection of a node's, passed on to the broker. */
interface Passage {
  /** Whether the node has not closed it yet. */
  isOpen(): boolean;
  mute(): void;
  cut(how: "fin" | "rst"): void;
}

export async function startProxy(brokerPort: number): Promise<Proxy> {
  const port = await freePort();
  const faults: Faults = { ...none };
  const counts: Counts = { accepted: 0, severed: 0, swallowed: 0, reordered: 0 };
  const passages = new Set<Passage>();
  let upstreamPort = brokerPort;

  function accept(node: Socket): void {
    counts.accepted++;
    const passage = createPassage(node, connect(upstreamPort, "127.0.0.1"), faults, counts, () =>
      passages.delete(passage),
    );
    passages.add(passage);
  }

  const cut = (how: "fin" | "rst") => {
    for (const passage of [...passages]) passage.cut(how);
  };
  let server: Server | undefined = await listen(port, accept);
  const stopListening = async () => {
    const stopped = new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
    server = undefined;
    cut("rst");
    await stopped;
  };

  return {
    port,
    open: () => [...passages].filter((passage) => passage.isOpen()).length,
    accepted: () => counts.accepted,
    severed: () => counts.severed,
    swallowed: () => counts.swallowed,
    reordered: () => counts.reordered,
    refuse: stopListening,
    refuseWith(code) {
      faults.refuseCode = code;
    },
    blackHole() {
      faults.blackHole = true;
    },
    halfOpen() {
      for (const passage of passages) passage.mute();
    },
    pubacks(fate) {
      faults.pubacks = fate;
    },
    trickle(bytesPerSecond) {
      faults.bytesPerSecond = bytesPerSecond;
    },
    cutting(options) {
      faults.cutting = options;
    },
    cut,
    upstream(to) {
      upstreamPort = to;
    },
    async restore() {
      Object.assign(faults, none);
      server ??= await listen(port, accept);
    },
    close: stopListening,
  };
}

function listen(port: number, accept: (socket: Socket) => void): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ noDelay: true, allowHalfOpen: true }, accept);
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}

function createPassage(
  node: Socket,
  broker: Socket,
  faults: Faults,
  counts: Counts,
  gone: () => void,
): Passage {
  broker.setNoDelay(true);
  let muted = faults.blackHole;
  let protocolVersion = 4;
  let bytesLeft = bytesUntilCut(faults.cutting);
  const held: Packet[] = [];

  /** Passes on what may still go, and cuts the connection in the middle where it ends. */
  const meter = (to: Socket) => (bytes: Buffer) => {
    if (muted || to.destroyed) return;
    to.write(bytes.subarray(0, bytesLeft));
    bytesLeft -= bytes.length;
    if (bytesLeft > 0) return;
    counts.severed++;
    cut(faults.cutting && faults.cutting.random() < 0.5 ? "rst" : "fin");
  };
  const toBroker = byteLane(meter(broker), () => faults.bytesPerSecond);
  const toNode = byteLane(meter(node), () => faults.bytesPerSecond);
  const send = (packet: Packet) => toNode.push(mqttPacket.generate(packet, { protocolVersion }));

  let introduced = false;
  const fromNode = mqttPacket.parser();
  const fromBroker: { parser?: Parser } = {};
  fromNode.once("packet", (packet) => {
    introduced = true;
    if (packet.cmd === "connect") protocolVersion = packet.protocolVersion ?? 4;
    fromBroker.parser = mqttPacket.parser({ protocolVersion });
    fromBroker.parser.on("packet", answered);
    fromBroker.parser.on("error", () => cut("rst"));
  });
  fromNode.on("error", () => cut("rst"));

  function answered(packet: Packet): void {
    if (packet.cmd !== "puback" || faults.pubacks === "pass") send(packet);
    else if (faults.pubacks === "swallow") counts.swallowed++;
    else {
      if (held.length === 0) setTimeout(release, REORDER_MS);
      held.push(packet);
    }
  }

  function release(): void {
    if (held.length > 1) counts.reordered += held.length;
    for (const packet of held.splice(0).reverse()) send(packet);
  }

  function cut(how: "fin" | "rst"): void {
    broker.destroy();
    toBroker.stop();
    toNode.stop();
    if (how === "rst") node.resetAndDestroy();
    else node.destroySoon();
  }

  function refuse(code: number): void {
    const verdict = protocolVersion === 5 ? { reasonCode: code } : { returnCode: code };
    node.end(mqttPacket.generate({ cmd: "connack", sessionPresent: false, ...verdict }, { protocolVersion }));
    broker.destroy();
  }

  node.on("data", (bytes: Buffer) => {
    const wasIntroduced = introduced;
    if (!introduced) fromNode.parse(bytes);
    if (introduced && !wasIntroduced && faults.refuseCode !== undefined) refuse(faults.refuseCode);
    else if (!broker.destroyed) toBroker.push(bytes);
  });
  broker.on("data", (bytes: Buffer) => void fromBroker.parser?.parse(bytes));
  // An end is passed on behind what is still under way; a dead line passes on nothing.
  node.on("end", () => (muted ? node.destroy() : toBroker.end(() => broker.end())));
  broker.on("end", () => muted || toNode.end(() => node.end()));
  node.on("error", () => muted || broker.destroy());
  broker.on("error", () => muted || cut("rst"));
  node.on("close", () => {
    if (!muted) broker.destroy();
    if (broker.destroyed) gone();
  });
  broker.on("close", () => {
    if (!muted) toNode.end(() => node.destroySoon());
    if (node.destroyed) gone();
  });

  return {
    isOpen: () => !node.destroyed,
    mute() {
      muted = true;
    },
    cut,
  };
}

function bytesUntilCut(cutting: CutOptions | undefined): number {
  if (cutting === undefined || cutting.random() >= cutting.probability) return Number.POSITIVE_INFINITY;
  return 1 + Math.floor(cutting.random() * cutting.withinBytes);
}
