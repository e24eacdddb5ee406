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
