import { getEventListeners } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { connectAsync } from "mqtt";
import { expect } from "vitest";
import { Ledger } from "../../src/audit/ledger.ts";
import type { Clock } from "../../src/device/clock.ts";
import { linuxClock } from "../../src/device/linux/clock.ts";
import { seededRandom } from "../../src/device/random.ts";
import { contractSpelling } from "../../src/mqtt/convention/spelling.ts";
import { topicsUnder } from "../../src/mqtt/convention/topics.ts";
import { createDownlink } from "../../src/mqtt/downlink/downlink.ts";
import { openJournal } from "../../src/mqtt/downlink/journal.ts";
import { type LinkOptions, openLink } from "../../src/mqtt/link/connect.ts";
import { type Dial, networkDial } from "../../src/mqtt/link/dial.ts";
import { createAbout } from "../../src/mqtt/retained/about.ts";
import { createRetained } from "../../src/mqtt/retained/retained.ts";
import { statusOn } from "../../src/mqtt/retained/status.ts";
import { createSession, type SessionOptions } from "../../src/mqtt/session/session.ts";
import { createUplink } from "../../src/mqtt/uplink/uplink.ts";
import { nodeFiles } from "../../src/outbox/files/node.ts";
import { openOutbox } from "../../src/outbox/open.ts";
import { createRecorder } from "../../src/record/recorder.ts";
import { configured, openWired, RelayBoard } from "../actuators/wiring.ts";
import { startProxy } from "../broker/proxy.ts";
import { MemoryJournalFile } from "./downlink/journal-memory.ts";
import { recordingLog } from "./rig.ts";

/** Records on the way at once: what a lost link may repeat. */
export const WINDOW = 16;

/** The contract's bound for a command after the link's return. */
const COMMAND_MS = 5_000;

/** Timers that a node at rest has running: the keep alive, and a few that are just ending. */
const TIMERS_AT_REST = 4;

/** The link's own socket; a node with a list may still hold the link that it left on its way home. */
const SOCKETS_AT_REST = 1;
const SOCKETS_AT_REST_WITH_A_LIST = 2;

// What nobody holds any more is gone only once it is collected.
setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

export interface FieldNodeOptions {
  readonly version?: SessionOptions["version"];
  readonly reconnect?: SessionOptions["reconnect"];
  readonly link?: Partial<LinkOptions>;
  /** The port of a second broker, behind the first in the list. */
  readonly standbyPort?: number;
  /** The two are one cluster, heard at the second one only. */
  readonly isCluster?: boolean;
  /** Around the dialling over the network. */
  readonly dial?: (network: Dial) => Dial;
}

export async function until(
  condition: () => boolean,
  timeoutMs: number,
  what: string | (() => string),
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > deadlineMs)
      throw new Error(`not within ${timeoutMs} ms: ${typeof what === "string" ? what : what()}`);
    await pause(5);
  }
}

/** Real time that counts who waits for it. */
function countingClock(): Clock & { sleepers(): number } {
  const clock = linuxClock();
  let sleepers = 0;
  return {
    ...clock,
    synced: () => true,
    sleepers: () => sleepers,
    async sleep(durationMs, signal) {
      sleepers++;
      await clock.sleep(durationMs, signal);
      sleepers--;
    },
  };
}

/** The broker side of a node in real time, with its outbox on a disk, behind a proxy to a real broker. */
export async function startFieldNode(id: string, brokerPort: number, options: FieldNodeOptions = {}) {
  const folder = await mkdtemp(join(tmpdir(), "fieldpost-link-"));
  const proxy = await startProxy(brokerPort);
  const { standbyPort, isCluster = false } = options;
  const consumer = await startConsumer(id, isCluster ? standbyPort! : brokerPort);
  const standby =
    standbyPort === undefined || isCluster ? undefined : await startConsumer(id, standbyPort, consumer);
  const clock = countingClock();
  const random = seededRandom(1);
  const log = recordingLog();
  const topics = topicsUnder(`fieldpost/${id}`);
  const status = statusOn(topics.status);
  const stop = new AbortController();
  const sockets: WeakRef<Duplex>[] = [];
  const socketsHeld = () => sockets.map((socket) => socket.deref()).filter((socket) => socket !== undefined);
  let mostInFlight = 0;

  const outbox = await openOutbox(
    {
      path: folder,
      maxSizeBytes: 8 * 1024 * 1024,
      maxAgeMs: 3_600_000,
      whenFull: "drop_oldest",
      syncAfterMs: 60_000,
    },
    { files: nodeFiles(), clock, random },
  );
  const link = () => session.link();
  const recorder = createRecorder(outbox, clock, () => session.hasSession());
  const retained = createRetained(link, log);
  const about = createAbout({ topic: topics.about, link, clock, log });
  const guard = await openWired({
    actuators: configured([{ id: "pump", pin: 17 }]),
    gpio: new RelayBoard(clock).gpio(stop.signal),
    clock,
    onChange: ({ id: actuator, state }) => retained.set(topics.state(actuator), JSON.stringify({ state })),
  });
  const downlink = createDownlink({
    topics,
    guard,
    journal: await openJournal({ file: new MemoryJournalFile(), log }),
    clock,
    log,
    nodeCommands: {},
    couldBeQueued: () => false,
    publishResult: async (message) => link()?.publish(message),
  });
  const uplink = createUplink({
    outbox,
    spell: contractSpelling({ topicRoot: topics.root, qos: 1 }),
    maxInFlight: WINDOW,
    ratePerSecond: 0,
    clock,
    log,
    onDrop: ({ seq, error }) => {
      throw new Error(`record ${seq} was dropped: ${error}`);
    },
  });
  const network = networkDial(undefined, () => Promise.reject(new Error("no TLS here")));
  const dial = options.dial?.(network) ?? network;
  const session = createSession({
    servers: [proxy.port, ...(standbyPort === undefined ? [] : [standbyPort])].map((port) => ({
      scheme: "mqtt",
      host: "127.0.0.1",
      port,
    })),
    dial,
    clientId: id,
    version: options.version ?? "auto",
    open: (server, version, signal, way) =>
      openLink(
        {
          server,
          version,
          clientId: id,
          keepaliveMs: 2_000,
          connectTimeoutMs: 1_000,
          sessionExpiryMs: 0,
          will: status.will,
          onMessage: async (message) => {
            if (!about.offer(message)) await downlink.receive(message);
          },
          clock,
          log,
          ...options.link,
        },
        async (...to) => {
          const socket = way ?? (await dial(...to));
          sockets.push(new WeakRef(socket));
          return socket;
        },
        signal,
      ),
    subscriptions: downlink.filters,
    farewell: status.farewell,
    steps: [status.birth, about, retained, uplink],
    reconnect: options.reconnect ?? { minMs: 20, maxMs: 100 },
    clock,
    random,
    log,
  });
  about.set(`{"id":"${id}"}`);
  const running = session.run(stop.signal);

  function append(): void {
    recorder.record("telemetry/air", { temperature: 21.5 });
    mostInFlight = Math.max(mostInFlight, uplink.status().inFlight);
  }
  let appending = setInterval(() => {}, 1_000);
  let commands = 0;

  const node = {
    proxy,
    session,
    outbox,
    uplink,
    log,
    topics,
    consumer,
    append,
    connected: (timeoutMs = 5_000) =>
      until(() => session.status().connected, timeoutMs, `${id}: a connection`),
    /** Waits until the session's last error is as expected. */
    says: (words: string | RegExp, timeoutMs = 5_000) =>
      until(
        () => (session.status().lastError ?? "").match(asPattern(words)) !== null,
        timeoutMs,
        () => `${id}: "${words}", but "${session.status().lastError}"`,
      ),
    /** Takes a reading every so often from now on. */
    measure(everyMs = 10) {
      clearInterval(appending);
      appending = setInterval(append, everyMs);
    },
    rest: () => clearInterval(appending),
    /** Sends a command, again and again until there is a result, as the contract asks of senders. */
    async command(timeoutMs = COMMAND_MS): Promise<void> {
      const command = { id: `c${++commands}`, set: commands % 2 === 1 ? "on" : "off" };
      const asking = setInterval(() => {
        for (const at of [consumer, standby]) void at?.publish("command/pump", JSON.stringify(command));
      }, 250);
      try {
        await until(
          () => consumer.results.get(command.id)?.includes(`"state":"${command.set}"`) ?? false,
          timeoutMs,
          `${id}: the result of a command`,
        );
      } finally {
        clearInterval(asking);
      }
    },
    /**
     * What must hold after every failure, once the link is back: a command works, every record has come, what came twice
     * is within the window, and nothing of the links that were is left.
     */
    async recovers(timeoutMs = 10_000): Promise<void> {
      await node.worksAgain(timeoutMs);
      const appended = outbox.status().nextSeq - 1;
      const heard = () => consumer.ledger.verdict();
      await until(() => heard().received >= appended, timeoutMs, `${id}: all records`).catch(() => {});
      expect(heard()).toMatchObject({ firstSeq: 1, received: appended, missing: [], dropped: 0 });
      expect(heard().duplicates).toBeLessThanOrEqual(WINDOW * (session.status().connects - 1));
    },
    /** {@link recovers} without the consumer's account, for where the broker itself forgets what it had taken. */
    async worksAgain(timeoutMs = 10_000): Promise<void> {
      await node.connected();
      await node.command();
      clearInterval(appending);
      append();
      await until(() => outbox.status().depth === 0, timeoutMs, `${id}: an empty outbox`);
      await pause(50);
      expect(mostInFlight).toBeLessThanOrEqual(WINDOW);
      expect(uplink.status()).toMatchObject({ inFlight: 0, dropped: 0 });
      expect(socketsHeld().filter((socket) => !socket.destroyed)).toHaveLength(1);
      expect(proxy.open()).toBe(1);
      expect(clock.sleepers()).toBeLessThanOrEqual(TIMERS_AT_REST);
      expect(getEventListeners(stop.signal, "abort").length).toBeLessThanOrEqual(3);
      const ended = session.link()!.closed;
      expect(getEventListeners(ended, "abort").length).toBeLessThanOrEqual(6);
      await node.letsGo();
    },
    /** Memory does not grow with the number of links: whatever held an ended one would hold its socket. */
    async letsGo(): Promise<void> {
      const atRest = standbyPort === undefined ? SOCKETS_AT_REST : SOCKETS_AT_REST_WITH_A_LIST;
      // A collection stops the other nodes of the process too: not one more than it takes.
      for (let tries = 0; tries < 20 && socketsHeld().length > atRest; tries++) {
        await pause(100);
        collectGarbage();
      }
      expect(socketsHeld().length, `sockets held of ${sockets.length}`).toBeLessThanOrEqual(atRest);
    },
    async stop(): Promise<void> {
      clearInterval(appending);
      stop.abort();
      await running;
      await proxy.close();
      await Promise.all([consumer.end(), standby?.end()]);
      await outbox.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return node;
}

export type FieldNode = Awaited<ReturnType<typeof startFieldNode>>;

function asPattern(words: string | RegExp): RegExp {
  return typeof words === "string" ? new RegExp(words.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")) : words;
}

interface Account {
  readonly ledger: Ledger;
  readonly results: Map<string, string>;
}

/** Somebody at the broker itself who hears all that a node says, and commands it. Two may keep one account. */
async function startConsumer(
  id: string,
  port: number,
  { ledger, results }: Account = { ledger: new Ledger(id), results: new Map() },
) {
  const root = `fieldpost/${id}/`;
  const client = await connectAsync({
    host: "127.0.0.1",
    port,
    clientId: `${id}-consumer`,
    clean: false,
    reconnectPeriod: 50,
  });
  client.on("message", (topic, payload) => {
    const text = payload.toString();
    ledger.observe(topic.slice(root.length), text);
    if (topic === `${root}result/pump`) results.set((JSON.parse(text) as { id: string }).id, text);
  });
  await client.subscribeAsync(`${root}#`, { qos: 1 });
  return {
    ledger,
    results,
    connected: () => client.connected,
    subscribe: () => client.subscribeAsync(`${root}#`, { qos: 1 }),
    publish: (topic: string, payload: string) =>
      client.publishAsync(root + topic, payload, { qos: 0 }).catch(() => {}),
    end: () => client.endAsync(true),
  };
}

/** What the broker keeps below a topic root, as somebody sees it who comes now. */
export async function retainedUnder(root: string, port: number): Promise<Record<string, string>> {
  const client = await connectAsync({ host: "127.0.0.1", port });
  const kept: Record<string, string> = {};
  client.on("message", (topic, payload, { retain }) => {
    if (retain) kept[topic.slice(root.length + 1)] = payload.toString();
  });
  await client.subscribeAsync(`${root}/#`, { qos: 1 });
  await pause(200);
  await client.endAsync(true);
  return kept;
}
