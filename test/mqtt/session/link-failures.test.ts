import { setTimeout as pause } from "node:timers/promises";
import { connectAsync, type MqttClient } from "mqtt";
import { afterAll, beforeAll, describe, expect, type TestContext, test } from "vitest";
import { seededRandom } from "../../../src/device/random.ts";
import type { Dial } from "../../../src/mqtt/link/dial.ts";
import { freePort, type Mosquitto, type MosquittoOptions, startMosquitto } from "../../broker/mosquitto.ts";
import {
  type FieldNode,
  type FieldNodeOptions,
  retainedUnder,
  startFieldNode,
  until,
} from "../field-node.ts";

/**
 * What a consumer has not taken yet is never dropped, so that every gap would be the node's. Nagle's algorithm would
 * cost 40 ms a packet here.
 */
const LOSSLESS: MosquittoOptions = {
  maxInflight: 0,
  extra: ["max_queued_messages 0", "set_tcp_nodelay true"],
};

let shared: Mosquitto;
/** The same broker's other address. */
let secondPort: number;
beforeAll(async () => {
  secondPort = await freePort();
  shared = await startMosquitto({
    ...LOSSLESS,
    extra: [...LOSSLESS.extra!, `listener ${secondPort} 127.0.0.1`],
  });
});
afterAll(() => shared.stop());

/** A node that has been connected and measuring for a moment. */
async function start(
  context: TestContext,
  id: string,
  options?: FieldNodeOptions,
  broker = shared,
): Promise<FieldNode> {
  const node = await startFieldNode(id, broker.port, options);
  context.onTestFinished(() => node.stop());
  await node.connected();
  node.measure();
  await until(() => node.uplink.status().delivered > 10, 5_000, `${id}: the first records`);
  return node;
}

async function ownBroker(context: TestContext, options: MosquittoOptions): Promise<Mosquitto> {
  const broker = await startMosquitto({ ...LOSSLESS, ...options });
  context.onTestFinished(() => broker.stop());
  return broker;
}

const lost = (node: FieldNode, timeoutMs = 5_000) =>
  until(() => !node.session.status().connected, timeoutMs, "the link's end");

describe.concurrent("a broker that cannot be reached", () => {
  test("refuses: nothing listens", async (context) => {
    const node = await start(context, "refused");
    await node.proxy.refuse();
    await node.says(`nothing listens on port ${node.proxy.port} (connection refused)`);
    await pause(300);
    await node.proxy.restore();
    await node.recovers();
  });

  test("has a name that cannot be looked up", async (context) => {
    let known = true;
    const dial =
      (network: Dial): Dial =>
      (server, signal) =>
        network(known ? server : { ...server, host: "name.invalid" }, signal);
    const node = await start(context, "nameless", { dial });
    known = false;
    node.proxy.cut("fin");
    await lost(node);
    await node.says(/no such host: name.invalid|cannot look up name.invalid|took longer than 1000 ms/);
    known = true;
    await node.recovers();
  });

  test("is a black hole: the connection stands, CONNACK never comes", async (context) => {
    const node = await start(context, "hole");
    node.proxy.blackHole();
    node.proxy.cut("rst");
    await node.says("took longer than 1000 ms");
    await node.proxy.restore();
    await node.recovers();
  });
});

describe.concurrent("a broker that refuses", () => {
  test.for([
    [
      "3.1.1",
      [
        [1, "does not speak MQTT 3.1.1"],
        [2, "client identifier not accepted: set another mqtt.client_id (code 2)"],
        [3, "server unavailable (code 3)"],
        [4, "bad user name or password: check mqtt.username and mqtt.password (code 4)"],
        [5, "not authorized: check mqtt.username, mqtt.password and the broker's access list (code 5)"],
      ],
    ],
    [
      "5",
      [
        [0x80, "unspecified error (code 128)"],
        [0x84, "does not speak MQTT 5"],
        [0x85, "client identifier not valid: set another mqtt.client_id (code 133)"],
        [0x86, "bad user name or password: check mqtt.username and mqtt.password (code 134)"],
        [0x88, "server unavailable (code 136)"],
        [0x89, "server busy (code 137)"],
        [0x8a, "banned: the broker has locked this client out (code 138)"],
        [0x9d, "server moved (code 157)"],
        [0x9f, "connection rate exceeded (code 159)"],
      ],
    ],
  ] as const)("in MQTT %s is quoted in words, code by code", async ([version, codes], context) => {
    const node = await start(context, `refusing-${version}`, { version });
    for (const [code, words] of codes) {
      node.proxy.refuseWith(code);
      if (node.session.status().connected) node.proxy.cut("rst");
      await node.says(words);
    }
    await node.proxy.restore();
    await node.recovers();
  });
});

describe.concurrent("a link that fails without a word", () => {
  test("half-open, it is found out within one and a half keep alive intervals", async (context) => {
    const keepaliveMs = 8_000;
    const node = await start(context, "half-open", { link: { keepaliveMs } });
    node.proxy.halfOpen();
    const sinceMs = performance.now();
    await lost(node, 2 * keepaliveMs);
    expect(performance.now() - sinceMs).toBeLessThan(1.5 * keepaliveMs);
    expect(node.session.status().lastError).toBe("the broker has been silent for 10 s");
    await node.recovers();
    const { status } = await retainedUnder(node.topics.root, shared.port);
    expect(status).toBe("online");
  });

  test("PUBACKs swallowed, it is left; meanwhile only the window is under way", async (context) => {
    const node = await start(context, "swallowed", { link: { keepaliveMs: 1_000, answerTimeoutMs: 1_500 } });
    node.proxy.pubacks("swallow");
    await node.says("left a message unacknowledged for 1.5 s");
    expect(node.proxy.swallowed()).toBeGreaterThan(0);
    await node.proxy.restore();
    await node.recovers();
  });

  test("the network's address changes: the old path is dead, the new one leads to the same broker", async (context) => {
    const node = await start(context, "moving", { link: { keepaliveMs: 1_000 } });
    node.proxy.upstream(secondPort);
    node.proxy.halfOpen();
    await node.says("the broker has been silent");
    await node.recovers();
  });
});

describe.concurrent("a link that is poor", () => {
  test("PUBACKs reordered, nothing is repeated and nothing forgotten", async (context) => {
    const node = await start(context, "reordered");
    node.proxy.pubacks("reorder");
    for (let count = 0; count < 500; count++) node.append();
    await until(() => node.proxy.reordered() > 200, 10_000, "PUBACKs out of order");
    await node.recovers();
    expect(node.session.status().connects).toBe(1);
    expect(node.consumer.ledger.verdict().duplicates).toBe(0);
  });

  test("at 100 bytes a second it stays up, although a record waits longer than a broker may", {
    timeout: 40_000,
  }, async (context) => {
    const node = await start(context, "trickle", { link: { answerTimeoutMs: 3_000 } });
    node.rest();
    await until(() => node.outbox.status().depth === 0, 5_000, "a quiet link");
    node.proxy.trickle(100);
    for (let count = 0; count < 8; count++) node.append();
    const sinceMs = performance.now();
    await until(() => node.outbox.status().depth === 0, 30_000, "all of them at the broker");
    expect(performance.now() - sinceMs).toBeGreaterThan(5_000);
    await node.command(COMMAND_AT_100_BYTES_MS);
    expect(node.session.status().connects).toBe(1);
    await node.proxy.restore();
    await node.recovers();
  });
});

/** Command and result are some 250 bytes. */
const COMMAND_AT_100_BYTES_MS = 5_000;

/** The description comes last: the broker is first given time to show the one it has. */
async function retainedWithAbout({ topics }: FieldNode, broker: Mosquitto): Promise<Record<string, string>> {
  for (let tries = 0; tries < 20; tries++) {
    const kept = await retainedUnder(topics.root, broker.port);
    if ("about" in kept) return kept;
  }
  throw new Error("the description is not retained");
}

describe.concurrent("a broker that restarts", () => {
  test("with persistence is found again, with what it kept", async (context) => {
    const broker = await ownBroker(context, { persistence: true });
    const node = await start(context, "persistent", {}, broker);
    await broker.restart();
    await node.recovers();
    await broker.kill();
    await lost(node);
    await broker.restart();
    // What a broker that is killed had acknowledged and not yet passed on is the broker's loss.
    await node.worksAgain();
  });

  test("without persistence loses what it retained: about, status and state come back", async (context) => {
    const broker = await ownBroker(context, {});
    const node = await start(context, "forgotten", {}, broker);
    await node.command();
    const before = await retainedWithAbout(node, broker);
    expect(Object.keys(before).sort()).toEqual(["about", "state/pump", "status"]);
    await broker.down();
    await lost(node);
    // The consumer comes first: what a broker takes with nobody there is lost to everybody.
    await node.proxy.refuse();
    await broker.restart();
    await until(node.consumer.connected, 5_000, "the consumer");
    await node.consumer.subscribe();
    expect(await retainedUnder(node.topics.root, broker.port)).toEqual({});
    await node.proxy.restore();
    await node.connected();
    expect(await retainedWithAbout(node, broker)).toEqual(before);
    await node.recovers();
  });
});

describe.concurrent("a second client with the node's client id", () => {
  const reconnect = { minMs: 10, maxMs: 1_500 };

  async function rival(context: TestContext, clientId: string, protocolVersion: 4 | 5): Promise<MqttClient> {
    const client = await connectAsync({
      host: "127.0.0.1",
      port: shared.port,
      clientId,
      protocolVersion,
      reconnectPeriod: 20,
    });
    client.on("error", () => {});
    context.onTestFinished(() => client.endAsync(true).then(() => {}));
    return client;
  }

  test.for([
    // Whether it is told or concluded depends on the broker.
    ["5", 5, /^another client (uses|seems to use) the client id "twin-5": /],
    ["3.1.1", 4, /^another client seems to use the client id "twin-3.1.1": /],
  ] as const)("in MQTT %s is named, and not fought with", async ([version, level, words], context) => {
    const node = await start(context, `twin-${version}`, { version, reconnect });
    const other = await rival(context, `twin-${version}`, level);
    await node.says(words, 10_000);
    expect(node.log.fields.some((fields) => words.test(String(fields?.["error"])))).toBe(true);
    const { connects } = node.session.status();
    const startMs = performance.now();
    await pause(3_000);
    // On a busy machine the pause is longer; and it may begin and end with an attempt.
    const most = Math.floor((performance.now() - startMs) / (reconnect.maxMs / 2)) + 1;
    expect(node.session.status().connects - connects).toBeLessThanOrEqual(most);
    await other.endAsync(true);
    await node.recovers();
  });
});

/** A PUBLISH and its PUBACK. */
const BYTES_A_RECORD = 100;

// What follows needs the process for itself.

test("30 % of the links cut at a random byte: 500 reconnects lose nothing and leave nothing behind", {
  timeout: 60_000,
}, async (context) => {
  const node = await start(context, "cut", { reconnect: { minMs: 1, maxMs: 4 } });
  const { proxy, uplink, session } = node;
  const random = seededRandom(7);
  const links = 500;
  const recordsALink = 12;
  const brokenAfter = async (condition: () => boolean) => {
    const link = proxy.accepted();
    const isCut = () => proxy.accepted() > link;
    await until(() => isCut() || condition(), 5_000, "progress");
    // What was spared is broken as well, and the next link is waited for.
    if (!isCut()) proxy.cut(random() < 0.5 ? "fin" : "rst");
    await until(isCut, 5_000, "the next attempt");
  };
  proxy.cutting({ probability: 0.3, withinBytes: recordsALink * BYTES_A_RECORD, random });
  while (proxy.accepted() < links) {
    for (let count = 0; count < recordsALink; count++) node.append();
    const enough = uplink.status().delivered + recordsALink;
    await brokenAfter(() => uplink.status().delivered >= enough);
  }
  await proxy.restore();
  await brokenAfter(() => true);
  await node.recovers();
  expect(proxy.severed()).toBeGreaterThan(0.2 * links);
  expect(session.status().version).toBe("5");
});

describe("an event loop that stands still", () => {
  const stall = (durationMs: number) => {
    const endMs = performance.now() + durationMs;
    while (performance.now() < endMs);
  };

  test("longer than the keep alive interval is not taken for a dead broker: a ping goes out, the link stays", async (context) => {
    const keepaliveMs = 2_000;
    const node = await start(context, "busy", { link: { keepaliveMs } });
    node.rest();
    node.append();
    await until(() => node.outbox.status().depth === 0, 5_000, "a quiet link");
    stall(1.3 * keepaliveMs);
    await pause(keepaliveMs);
    expect(node.session.status()).toMatchObject({ connected: true, connects: 1, lastError: undefined });
    await node.recovers();
  });

  test("longer than a broker has to wait costs nothing, whether the broker hangs up or not", async (context) => {
    const node = await start(context, "stalled", { link: { keepaliveMs: 1_000 } });
    stall(3_000);
    await node.recovers();
    expect(node.session.status().lastError ?? "").not.toContain("silent");
  });
});
