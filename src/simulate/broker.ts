import { createServer, type Server as TcpServer } from "node:net";
import { type Duplex, pipeline } from "node:stream";
import type { AedesPublishPacket, Client } from "aedes";
import type { Clock } from "../device/clock.ts";
import { topicMatches } from "../mqtt/convention/topics.ts";
import { createWire, type Wire, type WireFaults } from "./wire.ts";

/** A message as the broker accepted it from a node; a node's will among them. */
export interface SimMessage {
  readonly clientId: string;
  readonly topic: string;
  readonly payload: string;
  /** The payload as it came, which need not be text. */
  readonly bytes: Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
}

export interface SimBrokerOptions {
  /** Needed for {@link SimBroker.delay} only. */
  readonly clock?: Clock;
  /** Of the messages accepted, how many to remember. Default: all. */
  readonly keepMessages?: number;
  readonly onMessage?: (message: SimMessage) => void;
}

/**
 * A broker in the same process that can be told to fail. Speaks MQTT 3.1.1 (it is aedes). Uses neither sockets nor
 * timers of its own until {@link SimBroker.listen}, so that it keeps pace with a virtual clock.
 */
export interface SimBroker {
  /** A connection in memory. Rejects while the broker is cut off. */
  dial(): Promise<Duplex>;
  /** Serves TCP on loopback too; returns the URL. `port` 0: a free one. */
  listen(port?: number): Promise<string>;

  /** Drops all connections and refuses new ones, until {@link restore}. */
  cut(): void;
  /** Accepts new connections and answers nothing on them, until {@link restore}. */
  hang(): void;
  /** The connections there are go silent both ways, for ever, without closing. New ones work. */
  halfOpen(): void;
  dropPubacks(on: boolean): void;
  /** Answers each CONNECT with a return code (MQTT 3.1.1, section 3.2.2.3), until {@link restore}. */
  refuse(returnCode: number): void;
  /** Each packet takes this long, each way; 0: none. */
  delay(durationMs: number): void;
  /** Ends every fault, except that a silent connection stays silent. */
  restore(): void;
  /** Loses all retained messages, as a broker without persistence does when it restarts. */
  forget(): Promise<void>;

  /** What nodes published, in the order it was accepted. */
  messages(filter?: string): readonly SimMessage[];
  /** The payloads of {@link messages}, parsed. */
  json<T = Record<string, unknown>>(filter?: string): readonly T[];
  retained(topic: string): string | undefined;
  /** Messages with a `seq` that an earlier one of the same client had. */
  duplicates(): number;
  /** How many clients are connected. */
  connections(): number;
  /** The first message that matches, past ones included. */
  waitFor(filter: string, predicate?: (message: SimMessage) => boolean): Promise<SimMessage>;
  publish(topic: string, payload: string, options?: { retain?: boolean; qos?: 0 | 1 }): Promise<void>;

  /** Resolves when nothing is going on any more: a virtual clock may go on to the next instant. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/** Turns of the event loop without a packet after which nothing is going on: more than any of aedes' own pauses. */
const QUIET_TURNS = 8;

interface Waiter {
  readonly filter: string;
  readonly predicate: (message: SimMessage) => boolean;
  readonly resolve: (message: SimMessage) => void;
}

export async function createSimBroker(options: SimBrokerOptions = {}): Promise<SimBroker> {
  const { clock, keepMessages = Number.POSITIVE_INFINITY, onMessage } = options;
  // Not part of a device's bundle, where nobody simulates.
  const { Aedes } = await import("aedes");
  const aedes = await Aedes.createBroker({ drainTimeout: 0 });
  const { persistence } = aedes as unknown as { persistence: RetainedStore };

  const faults: WireFaults = { dropPubacks: false, delayMs: 0, refuseCode: undefined };
  const wires = new Set<Wire>();
  const accepted: SimMessage[] = [];
  const retained = new Map<string, string>();
  const waiters = new Set<Waiter>();
  const servers: TcpServer[] = [];
  let isCut = false;
  let isHung = false;
  let activity = 0;
  let settledActivity = 0;

  aedes.on("publish", (packet: AedesPublishPacket, client: Client | null) => {
    activity++;
    const message = toMessage(packet, client);
    if (packet.retain) remember(message);
    if (client !== null) accept(message);
  });

  function remember({ topic, payload }: SimMessage): void {
    if (payload === "") retained.delete(topic);
    else retained.set(topic, payload);
  }

  function accept(message: SimMessage): void {
    accepted.push(message);
    if (accepted.length > keepMessages) accepted.shift();
    onMessage?.(message);
    for (const waiter of waiters) {
      if (!topicMatches(waiter.filter, message.topic) || !waiter.predicate(message)) continue;
      waiters.delete(waiter);
      waiter.resolve(message);
    }
  }

  function connect(): Duplex {
    const wire = createWire({ faults, clock, onPacket: () => void activity++ });
    wires.add(wire);
    wire.nodeEnd.once("close", () => wires.delete(wire));
    activity++;
    if (isHung) wire.mute();
    else aedes.handle(wire.brokerEnd as never);
    return wire.nodeEnd;
  }

  function cut(): void {
    isCut = true;
    for (const wire of wires) wire.cut();
  }

  const messages = (filter = "#") => accepted.filter(({ topic }) => topicMatches(filter, topic));

  return {
    async dial() {
      if (isCut) throw new Error("the simulated broker is cut off");
      return connect();
    },
    async listen(port = 0) {
      const server = createServer((socket) => {
        if (isCut) socket.destroy();
        else pipeline(socket, connect(), socket, () => {});
      });
      servers.push(server);
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(port, "127.0.0.1", resolve);
      });
      return `mqtt://127.0.0.1:${(server.address() as { port: number }).port}`;
    },
    cut,
    hang() {
      isHung = true;
    },
    halfOpen() {
      for (const wire of wires) wire.mute();
    },
    dropPubacks(on) {
      faults.dropPubacks = on;
    },
    refuse(returnCode) {
      faults.refuseCode = returnCode;
    },
    delay(durationMs) {
      if (clock === undefined) throw new Error("a broker that delays needs a clock");
      faults.delayMs = durationMs;
    },
    restore() {
      isCut = false;
      isHung = false;
      Object.assign(faults, { dropPubacks: false, delayMs: 0, refuseCode: undefined });
    },
    async forget() {
      for (const topic of retained.keys())
        await persistence.storeRetained({ topic, payload: Buffer.alloc(0) });
      retained.clear();
    },
    messages,
    json: <T>(filter?: string) => messages(filter).map(({ payload }) => JSON.parse(payload) as T),
    retained: (topic) => retained.get(topic),
    duplicates() {
      const seen = new Set<string>();
      const numbered = accepted.flatMap(({ clientId, payload }) => {
        const seq = /^\{"seq":(\d+)/.exec(payload)?.[1];
        return seq === undefined ? [] : [`${clientId} ${seq}`];
      });
      for (const number of numbered) seen.add(number);
      return numbered.length - seen.size;
    },
    connections: () => aedes.connectedClients,
    waitFor(filter, predicate = () => true) {
      const past = messages(filter).find(predicate);
      if (past) return Promise.resolve(past);
      return new Promise((resolve) => waiters.add({ filter, predicate, resolve }));
    },
    publish(topic, payload, { retain = false, qos = 1 } = {}) {
      activity++;
      const packet = {
        cmd: "publish",
        topic,
        payload: Buffer.from(payload),
        retain,
        qos,
        dup: false,
      } as const;
      return new Promise((resolve, reject) =>
        aedes.publish(packet, (error) => (error ? reject(error) : resolve())),
      );
    },
    async settled() {
      // Nothing comes from a broker that nobody is connected to.
      if (wires.size === 0 && activity === settledActivity) return;
      for (let quiet = 0, seen = activity; quiet < QUIET_TURNS; quiet++) {
        await new Promise(setImmediate);
        if (activity !== seen) quiet = 0;
        seen = activity;
      }
      settledActivity = activity;
    },
    async close() {
      cut();
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
      await new Promise<void>((resolve) => aedes.close(resolve));
    },
  };
}

/** The part of aedes' persistence that its types leave out: an empty payload deletes. */
interface RetainedStore {
  storeRetained(packet: { topic: string; payload: Buffer }): Promise<void>;
}

function toMessage(packet: AedesPublishPacket, client: Client | null): SimMessage {
  return {
    clientId: client?.id ?? "",
    topic: packet.topic,
    payload: packet.payload.toString(),
    bytes: Buffer.from(packet.payload),
    qos: packet.qos as SimMessage["qos"],
    retain: packet.retain,
  };
}
