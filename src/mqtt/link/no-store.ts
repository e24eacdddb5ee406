import { Readable } from "node:stream";
import type { IClientOptions } from "mqtt";

type Store = NonNullable<IClientOptions["outgoingStore"]>;

/**
 * A store for MQTT.js that keeps nothing. A link never resends: what was not acknowledged is still in the outbox, and
 * the next link takes it from there.
 */
export function createNoStore(): Store {
  const store: Store = {
    put(_packet, done) {
      done();
      return store;
    },
    del(_packet, done) {
      done();
      return store;
    },
    get(_packet, done) {
      done(new Error("nothing is kept"));
      return store;
    },
    createStream: () => Readable.from([]) as unknown as ReturnType<Store["createStream"]>,
    close: (done) => done(),
  };
  return store;
}

/**
 * Holds messages of QoS 2 between their PUBLISH and their PUBREL (MQTT 5, section 4.3.3): no more than the Receive
 * Maximum that the broker was told, as it may have no more of them on the way.
 */
export function createIncomingStore(): Store {
  const held = new Map<number | undefined, Parameters<Store["put"]>[0]>();
  const store: Store = {
    ...createNoStore(),
    put(packet, done) {
      held.set(packet.messageId, packet);
      done();
      return store;
    },
    del(packet, done) {
      held.delete(packet.messageId);
      done();
      return store;
    },
    get(packet, done) {
      const found = held.get(packet.messageId);
      if (found) done(undefined, found);
      else done(new Error("not here"));
      return store;
    },
  };
  return store;
}
