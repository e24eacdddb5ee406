import { seededRandom } from "../../src/device/random.ts";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import type { Log, LogFields } from "../../src/log.ts";
import { parseServer } from "../../src/mqtt/broker/server.ts";
import { contractSpelling } from "../../src/mqtt/convention/spelling.ts";
import { topicsUnder } from "../../src/mqtt/convention/topics.ts";
import { openLink } from "../../src/mqtt/link/connect.ts";
import type { Incoming, OpenLink } from "../../src/mqtt/link/link.ts";
import { createRetained } from "../../src/mqtt/retained/retained.ts";
import { statusOn } from "../../src/mqtt/retained/status.ts";
import { createSession, type LinkStep, type SessionOptions } from "../../src/mqtt/session/session.ts";
import { createUplink, type UplinkDrop, type UplinkOptions } from "../../src/mqtt/uplink/uplink.ts";
import { createSimBroker } from "../../src/simulate/broker.ts";
import { memoryOutbox } from "./uplink/memory-outbox.ts";

/** A log that can be read back: `warn lost the broker`. */
export function recordingLog(): Log & {
  readonly lines: string[];
  readonly fields: (LogFields | undefined)[];
} {
  const lines: string[] = [];
  const fields: (LogFields | undefined)[] = [];
  const at = (level: string) => (message: string, more?: LogFields) => {
    lines.push(`${level} ${message}`);
    fields.push(more);
  };
  return { lines, fields, debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

export interface RigOptions {
  readonly session?: Partial<SessionOptions>;
  readonly uplink?: Partial<UplinkOptions>;
  readonly keepaliveMs?: number;
  readonly sessionExpiryMs?: number;
  readonly onMessage?: (message: Incoming, link: OpenLink) => void | Promise<void>;
  /** Before the retained values and the uplink. */
  readonly steps?: readonly LinkStep[];
}

/** The broker side of a node, whole, on a virtual clock against a simulated broker. */
export async function createRig(options: RigOptions = {}) {
  const settling: { broker?: { settled(): Promise<void> } } = {};
  const clock = new VirtualClock({
    wallMs: Date.UTC(2026, 0, 1),
    settle: async () => settling.broker?.settled(),
  });
  const broker = await createSimBroker({ clock });
  settling.broker = broker;
  const log = recordingLog();
  const topics = topicsUnder("fieldpost/n1");
  const status = statusOn(topics.status);
  const outbox = memoryOutbox();
  const drops: UplinkDrop[] = [];
  const received: Incoming[] = [];
  const stop = new AbortController();

  const uplink = createUplink({
    outbox,
    spell: contractSpelling({ topicRoot: topics.root, qos: 1 }),
    maxInFlight: 64,
    ratePerSecond: 0,
    clock,
    log,
    onDrop: (drop) => void drops.push(drop),
    ...options.uplink,
  });
  const retained = createRetained(() => session.link(), log);
  const session = createSession({
    servers: [parseServer("mqtt://sim")],
    clientId: "n1",
    version: "auto",
    open: (server, version, signal) =>
      openLink(
        {
          server,
          version,
          clientId: "n1",
          keepaliveMs: options.keepaliveMs ?? 25_000,
          sessionExpiryMs: options.sessionExpiryMs ?? 0,
          will: status.will,
          onMessage:
            options.onMessage ??
            ((message) => {
              received.push(message);
            }),
          clock,
          log,
        },
        () => broker.dial(),
        signal,
      ),
    subscriptions: [topics.commands],
    farewell: status.farewell,
    steps: [status.birth, ...(options.steps ?? []), retained, uplink],
    reconnect: { minMs: 1_000, maxMs: 120_000 },
    clock,
    random: seededRandom(1),
    log,
    ...options.session,
  });

  let running: Promise<void> | undefined;
  return {
    clock,
    broker,
    log,
    topics,
    outbox,
    drops,
    received,
    uplink,
    retained,
    session,
    start() {
      running = session.run(stop.signal);
      return clock.advance(0);
    },
    async stop() {
      stop.abort();
      if (running) await clock.run(running, 10_000);
      await broker.close();
    },
  };
}

export type Rig = Awaited<ReturnType<typeof createRig>>;
