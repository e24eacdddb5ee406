import { loadPackage, type Peer } from "./peer.ts";

/** What is used of mqtt-level-store. */
type MakeManager = (folder: string) => {
  readonly outgoing: PacketStore;
  close(done: (error?: Error) => void): void;
};
interface PacketStore {
  put(packet: Packet, done: (error?: Error) => void): void;
  del(packet: Pick<Packet, "messageId">, done: (error?: Error) => void): void;
  createStream(): NodeJS.ReadableStream;
}
interface Packet {
  readonly cmd: "publish";
  readonly messageId: number;
  readonly qos: 1;
  readonly topic: string;
  readonly payload: Uint8Array;
}

/** MQTT 5, section 2.2.1. */
const MAX_PACKET_ID = 65_535;

/** What MQTT.js recommends to those who must not lose what was published: its own store, on LevelDB. */
export const mqttLevelStore: Peer = {
  name: "mqtt-level-store",
  how: "the outgoingStore that MQTT.js's README names; put, createStream and del, for many all of them under way at once; knows neither groups nor syncs",
  isDatabase: false,
  canSync: false,
  isUnbounded: false,
  async open(folder) {
    const manager = loadPackage<MakeManager>("mqtt-level-store")(folder);
    const { outgoing } = manager;
    let lastId = 0;
    /** Read and not removed yet, oldest first. MQTT.js too reads all that there is when it has connected. */
    let read: Packet[] = [];
    for (const { messageId } of await readAll(outgoing)) lastId = Math.max(lastId, messageId);
    const put = (payload: Uint8Array) =>
      called((done) => {
        if (++lastId > MAX_PACKET_ID) throw new Error("MQTT has no more packet identifiers");
        outgoing.put({ cmd: "publish", messageId: lastId, qos: 1, topic: "telemetry/air", payload }, done);
      });
    return {
      async appendEach(records) {
        for (const record of records) await put(record);
      },
      async appendGroup(records) {
        await Promise.all(records.map(put));
      },
      async peek(count) {
        if (read.length === 0) read = await readAll(outgoing);
        return read.slice(0, count).map(({ payload }) => payload);
      },
      async remove(count) {
        const removed = read.splice(0, count);
        await Promise.all(removed.map((packet) => called((done) => outgoing.del(packet, done))));
      },
      close: () => called((done) => manager.close(done)),
    };
  },
};

function readAll(store: PacketStore): Promise<Packet[]> {
  const packets: Packet[] = [];
  return new Promise((resolve, reject) => {
    store
      .createStream()
      .on("data", (packet: unknown) => packets.push(packet as Packet))
      .on("end", () => resolve(packets))
      .on("error", reject);
  });
}

function called(call: (done: (error?: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => call((error) => (error ? reject(error) : resolve())));
}
