import { PassThrough } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, describe, expect, type TestContext, test } from "vitest";
import { formatServer, parseServer } from "../../../src/mqtt/broker/server.ts";
import { LinkClosedError, type OpenLink } from "../../../src/mqtt/link/link.ts";
import { statusOn } from "../../../src/mqtt/retained/status.ts";
import { type MosquittoOptions, startMosquitto } from "../../broker/mosquitto.ts";
import { retainedUnder, startFieldNode, until } from "../field-node.ts";
import { createRig, type Rig } from "../rig.ts";
import { closableLink } from "./closable-link.ts";

const HOME = "mqtt://home:1883";
const SPARE = "mqtt://spare:1883";

describe("a list of brokers, on a virtual clock", () => {
  let rig: Rig;
  afterEach(() => rig.stop());

  /** A session with two brokers that are up or down as the test says, and what it did with them. */
  async function start(servers = [HOME, SPARE], finish = async () => {}) {
    const up = new Set(servers);
    /** Takes connections, and no CONNECT. */
    const onlyLooksUp = new Set<string>();
    const tried: string[] = [];
    const looks: { readonly atMs: number; readonly stream: PassThrough }[] = [];
    const published: string[] = [];
    const links: { readonly url: string; readonly closing: AbortController; readonly usedLook: boolean }[] =
      [];
    const finished: string[] = [];
    rig = await createRig({
      session: {
        servers: servers.map(parseServer),
        steps: [
          statusOn("fieldpost/n1/status").birth,
          {
            name: "work",
            run: async () => {},
            finish() {
              finished.push("work");
              return finish();
            },
          },
        ],
        reconnect: { minMs: 1_000, maxMs: 120_000 },
        async open(server, _version, _signal, way) {
          const url = formatServer(server);
          tried.push(url);
          if (!up.has(url)) throw new Error(`${url} is down`);
          const closing = new AbortController();
          links.push({ url, closing, usedLook: way !== undefined && way === looks.at(-1)?.stream });
          const link: OpenLink = {
            ...closableLink(closing),
            publish: async ({ topic, payload }) => void published.push(`${url} ${topic} ${payload}`),
          };
          return link;
        },
        async dial(server) {
          const stream = new PassThrough();
          looks.push({ atMs: rig.clock.monotonicMs(), stream });
          const url = formatServer(server);
          if (!up.has(url) && !onlyLooksUp.has(url)) throw new Error("down");
          return stream;
        },
      },
    });
    await rig.start();
    const fall = async (url: string) => {
      up.delete(url);
      links.at(-1)!.closing.abort(new Error("gone"));
      await rig.clock.advance(10_000);
    };
    return {
      up,
      onlyLooksUp,
      tried,
      looks,
      links,
      published,
      finished,
      fall,
      status: () => rig.session.status(),
    };
  }

  test("the next one serves while the first is down, and everybody is told which", async () => {
    const node = await start();
    expect(node.status()).toMatchObject({ server: HOME, awayFrom: undefined });
    await node.fall(HOME);
    expect(node.status()).toMatchObject({ connected: true, server: SPARE, awayFrom: HOME });
    expect(node.tried).toEqual([HOME, HOME, SPARE]);
  });

  test("the first is gone back to once it answers, over the very connection that showed it", async () => {
    const node = await start();
    await node.fall(HOME);
    await rig.clock.advance(600_000);
    expect(node.status().server).toBe(SPARE);
    expect(node.tried).toHaveLength(3);
    node.up.add(HOME);
    await rig.clock.advance(120_000);
    expect(node.status()).toMatchObject({ connected: true, server: HOME, awayFrom: undefined, connects: 3 });
    expect(node.links.at(-1)).toMatchObject({ url: HOME, usedLook: true });
    expect(node.finished).toEqual(["work"]);
    expect(node.published.slice(-3)).toEqual([
      `${SPARE} fieldpost/n1/status online`,
      `${SPARE} fieldpost/n1/status offline`,
      `${HOME} fieldpost/n1/status online`,
    ]);
    expect(rig.log.lines).toContain("info going back to the first broker");
    expect(rig.log.lines.filter((line) => line.startsWith("warn"))).toEqual(["warn lost the broker"]);
  });

  test("looking costs no more than a connection every minute or two, and leaves none open", async () => {
    const node = await start();
    await node.fall(HOME);
    await rig.clock.advance(3_600_000);
    const gapsMs = node.looks.slice(1).map(({ atMs }, at) => atMs - node.looks[at]!.atMs);
    expect(node.looks.length).toBeGreaterThan(25);
    expect(Math.min(...gapsMs)).toBeGreaterThanOrEqual(60_000);
    expect(Math.max(...gapsMs)).toBeLessThanOrEqual(120_000);
    expect(new Set(gapsMs).size).toBeGreaterThan(10);
  });

  test("one that answers and then does not keep the node is looked for ever more rarely, down to once an hour", async () => {
    const node = await start();
    await node.fall(HOME);
    const returnsAtMs: number[] = [];
    for (let returns = 0; returns < 9; returns++) {
      node.up.add(HOME);
      while (node.status().server !== HOME) await rig.clock.advance(5_000);
      returnsAtMs.push(rig.clock.monotonicMs());
      node.links.at(-1)!.closing.abort(new Error("closed again"));
      await rig.clock.advance(5_000);
      expect(node.status().server).toBe(SPARE);
    }
    const gapsMs = returnsAtMs.slice(1).map((atMs, at) => atMs - returnsAtMs[at]!);
    expect(gapsMs[0]).toBeGreaterThan(120_000);
    expect(gapsMs.at(-1)).toBeGreaterThan(1_800_000);
    expect(Math.max(...gapsMs)).toBeLessThan(3_620_000);
    // It stays: next time it is trusted again.
    while (node.status().server !== HOME) await rig.clock.advance(5_000);
    await rig.clock.advance(60_000);
    await node.fall(HOME);
    node.up.add(HOME);
    await rig.clock.advance(130_000);
    expect(node.status().server).toBe(HOME);
  });

  test("one that takes connections but no CONNECT costs a moment, and the node is back where it was", async () => {
    const node = await start();
    await node.fall(HOME);
    node.onlyLooksUp.add(HOME);
    while (node.tried.length < 5) await rig.clock.advance(1_000);
    expect(node.tried.slice(3)).toEqual([HOME, SPARE]);
    expect(node.status()).toMatchObject({ connected: true, server: SPARE });
    expect(node.looks.at(-1)!.stream.destroyed).toBe(true);
  });

  test("a node that is stopped on its way back says goodbye where it is, and keeps nothing open", async () => {
    const node = await start([HOME, SPARE], () => new Promise(() => {}));
    await node.fall(HOME);
    node.up.add(HOME);
    while (!rig.log.lines.includes("info going back to the first broker")) await rig.clock.advance(100);
    const beforeMs = rig.clock.monotonicMs();
    await rig.stop();
    expect(rig.clock.monotonicMs() - beforeMs).toBeLessThanOrEqual(1_000);
    expect(node.looks.at(-1)!.stream.destroyed).toBe(true);
    expect(node.published.at(-1)).toBe(`${SPARE} fieldpost/n1/status offline`);
  });

  test("one that closes every link as soon as it stands is left after three", async () => {
    const node = await start();
    while (node.status().server === HOME) {
      const { closing } = node.links.at(-1)!;
      if (!closing.signal.aborted) closing.abort(new LinkClosedError("the broker closed the connection"));
      await rig.clock.advance(1_000);
    }
    await rig.clock.advance(120_000);
    expect(node.tried.slice(0, 4)).toEqual([HOME, HOME, HOME, SPARE]);
  });

  test("with one broker there is nothing to look for", async () => {
    const node = await start([HOME]);
    await node.fall(HOME);
    await rig.clock.advance(3_600_000);
    expect(node.looks).toEqual([]);
  });
});

describe("a list of two brokers", () => {
  const LOSSLESS: MosquittoOptions = {
    maxInflight: 0,
    extra: ["max_queued_messages 0", "set_tcp_nodelay true"],
  };

  async function start(context: TestContext, id: string) {
    const first = await startMosquitto(LOSSLESS);
    context.onTestFinished(() => first.stop());
    const second = await startMosquitto(LOSSLESS);
    context.onTestFinished(() => second.stop());
    const node = await startFieldNode(id, first.port, {
      standbyPort: second.port,
      reconnect: { minMs: 50, maxMs: 800 },
    });
    context.onTestFinished(() => node.stop());
    await node.connected();
    const at = (port: number) =>
      until(
        () => node.session.status().connected && node.session.status().server.endsWith(`:${port}`),
        10_000,
        () => `a connection with ${port}, but ${JSON.stringify(node.session.status())}`,
      );
    return { first, second, node, atFirst: () => at(node.proxy.port), atSecond: () => at(second.port) };
  }

  test("loses nothing on the way there and back, repeats no more than the window there and nothing on the way back", async (context) => {
    const { node, second, atFirst, atSecond } = await start(context, "there-and-back");
    node.measure();
    await until(() => node.uplink.status().delivered > 50, 5_000, "the first records");
    await node.proxy.refuse();
    await atSecond();
    await node.command();
    const repeatedThere = node.consumer.ledger.verdict().duplicates;
    await node.proxy.restore();
    await atFirst();
    await node.command();
    // Those who listen to the second one do not take the node for being there.
    expect(await retainedUnder(node.topics.root, second.port)).toMatchObject({ status: "offline" });
    await node.recovers();
    expect(node.consumer.ledger.verdict().duplicates).toBe(repeatedThere);
    expect(node.session.status().connects).toBe(3);
  });

  test("goes back in the middle of a backlog without losing or repeating a record", async (context) => {
    const { node, atFirst, atSecond } = await start(context, "backlog");
    await node.proxy.refuse();
    await atSecond();
    const repeatedThere = node.consumer.ledger.verdict().duplicates;
    await node.proxy.restore();
    while (!node.session.status().server.endsWith(`:${node.proxy.port}`)) {
      for (let count = 0; count < 200; count++) node.append();
      await pause(1);
    }
    await atFirst();
    await node.recovers(30_000);
    expect(node.consumer.ledger.verdict().duplicates).toBe(repeatedThere);
  });

  test("loses nothing where the second dies while it serves", async (context) => {
    const { node, second, atFirst, atSecond } = await start(context, "dead-second");
    node.measure();
    await node.proxy.refuse();
    await atSecond();
    await second.kill();
    await node.proxy.restore();
    await atFirst();
    await second.restart();
    await node.recovers();
  });
});
