import { readFile } from "node:fs/promises";
import { connect, type MqttClient } from "mqtt";
import { linuxClock } from "../src/device/linux/clock.ts";
import { systemRandom } from "../src/device/linux/random.ts";
import { silentLog } from "../src/log.ts";
import { openLink } from "../src/mqtt/link/connect.ts";
import { networkDial } from "../src/mqtt/link/dial.ts";
import { statusOn } from "../src/mqtt/retained/status.ts";
import { createSession } from "../src/mqtt/session/session.ts";

/** Many clients of one broker. Times are those of `performance.now()`. */
export interface Fleet {
  /** When a client began to connect. */
  readonly attempts: readonly number[];
  /** When a broker's CONNACK came. */
  readonly connects: readonly number[];
  /** Clients that are connected now. */
  connected(): number;
  end(): Promise<void>;
}

/** The defaults of `mqtt.reconnect`. */
const RECONNECT = { minMs: 1_000, maxMs: 120_000 };

/** The node's own sessions, as it puts them together. */
export function startSessions(port: number, count: number): Fleet {
  const attempts: number[] = [];
  const connects: number[] = [];
  /** One a node, as each has a process of its own in the field. */
  const stops: AbortController[] = [];
  const clock = linuxClock();
  const dial = networkDial(undefined, readFile);
  const sessions = Array.from({ length: count }, (_, index) => {
    const clientId = `node-${index}`;
    const status = statusOn(`fieldpost/${clientId}/status`);
    return createSession({
      servers: [{ scheme: "mqtt", host: "127.0.0.1", port }],
      clientId,
      version: "auto",
      async open(server, version, signal) {
        attempts.push(performance.now());
        const link = await openLink(
          {
            server,
            version,
            clientId,
            keepaliveMs: 25_000,
            sessionExpiryMs: 0,
            onMessage() {},
            clock,
            log: silentLog,
          },
          dial,
          signal,
        );
        connects.push(performance.now());
        return link;
      },
      subscriptions: [`fieldpost/${clientId}/command/#`],
      steps: [status.birth],
      farewell: status.farewell,
      reconnect: RECONNECT,
      clock,
      random: systemRandom,
      log: silentLog,
    });
  });
  const running = sessions.map((session) => {
    const stop = new AbortController();
    stops.push(stop);
    return session.run(stop.signal);
  });
  return {
    attempts,
    connects,
    connected: () => sessions.filter((session) => session.hasSession()).length,
    async end() {
      for (const stop of stops) stop.abort();
      await Promise.all(running);
    },
  };
}

/** MQTT.js as it comes: every client tries again after the same interval. */
export function startFixedInterval(port: number, count: number, intervalMs: number): Fleet {
  const attempts: number[] = [];
  const connects: number[] = [];
  const clients = Array.from({ length: count }, (_, index) => {
    attempts.push(performance.now());
    const client = connect({
      host: "127.0.0.1",
      port,
      protocolVersion: 5,
      clientId: `fixed-${index}`,
      reconnectPeriod: intervalMs,
      will: { topic: `fixed/${index}/status`, payload: Buffer.from("offline"), qos: 1, retain: true },
    });
    client.on("reconnect", () => attempts.push(performance.now()));
    client.on("connect", () => connects.push(performance.now()));
    // Refused again: it is counted as an attempt.
    client.on("error", () => {});
    return client;
  });
  return {
    attempts,
    connects,
    connected: () => clients.filter(({ connected }) => connected).length,
    async end() {
      await Promise.all(clients.map((client: MqttClient) => client.endAsync(true)));
    },
  };
}
