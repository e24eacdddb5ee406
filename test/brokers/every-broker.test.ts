import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from "vitest";
import { linuxClock } from "../../src/device/linux/clock.ts";
import { silentLog } from "../../src/log.ts";
import { contractSpelling } from "../../src/mqtt/convention/spelling.ts";
import { type LinkOptions, openLink } from "../../src/mqtt/link/connect.ts";
import { networkDial } from "../../src/mqtt/link/dial.ts";
import { type Incoming, type OpenLink, UnsupportedVersionError } from "../../src/mqtt/link/link.ts";
import { createUplink } from "../../src/mqtt/uplink/uplink.ts";
import { startFieldNode, until } from "../mqtt/field-node.ts";
import { memoryOutbox, reading } from "../mqtt/uplink/memory-outbox.ts";
import { type Broker, MAKERS } from "./brokers.ts";
import { capabilities, committedTable, tableOf, writeTable } from "./table.ts";

const packages = inject("brokerPackages");
const user = { name: "node", password: "a secret" };

const links: OpenLink[] = [];
afterEach(async () => {
  await Promise.all(links.splice(0).map((link) => link.end()));
});

let clients = 0;

/** What has not come by then does not come. */
const UNHEARD_MS = 3_000;

/** One connection, and what comes over it. */
async function open(port: number, version: 4 | 5, options: Partial<LinkOptions> = {}) {
  const received: Incoming[] = [];
  const link = await openLink(
    {
      server: { scheme: "mqtt", host: "127.0.0.1", port },
      version,
      clientId: `c${++clients}`,
      keepaliveMs: 25_000,
      sessionExpiryMs: 0,
      onMessage: (message) => void received.push(message),
      clock: linuxClock(),
      log: silentLog,
      ...options,
    },
    networkDial(undefined, () => Promise.reject(new Error("no TLS here"))),
    new AbortController().signal,
  );
  links.push(link);
  const next = async () => {
    await until(() => received.length > 0, 10_000, "a message");
    return received.shift()!;
  };
  return { link, received, next };
}

for (const maker of MAKERS) {
  describe.skipIf(!maker.there(packages))(maker.name, () => {
    const found = maker.only ? () => {} : capabilities(maker.name);
    let broker: Broker;
    /** The newest version of MQTT it speaks. */
    let best: 4 | 5 = 4;
    beforeAll(async () => {
      broker = await maker.start(packages);
    });
    afterAll(() => broker?.stop());
    const at = (options?: Partial<LinkOptions>) => open(broker.port, best, options);

    test("speaks MQTT 3.1.1, and MQTT 5 or says that it does not", async () => {
      expect((await open(broker.port, 4)).link.version).toBe(4);
      const five = await open(broker.port, 5).catch((error: unknown) => error);
      if (five instanceof Error) expect(five).toBeInstanceOf(UnsupportedVersionError);
      else if (!maker.only) best = 5;
      found("MQTT 5", best === 5);
    });

    test.each([0, 1, 2] as const)("QoS %i: what is published arrives, in bytes the same", async (qos) => {
      const { link, next } = await at();
      await link.subscribe(["q/+"], qos).catch(() => {});
      const payload = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
      const sent = await link.publish({ topic: "q/a", payload, qos, retain: false }).catch(() => "refused");
      const came = sent === "refused" ? undefined : await next();
      if (came) expect(Buffer.from(came.payload).equals(payload)).toBe(true);
      if (qos < 2) expect(came?.qos).toBe(qos);
      else if (came) found("QoS 2", came.qos === 2 ? true : "taken, delivered as QoS 1");
      else found("QoS 2", "closes the connection");
    });

    test("a large payload arrives whole", async () => {
      const { link, next } = await at();
      await link.subscribe(["large"]);
      const payload = Buffer.alloc(200_000, "0123456789");
      await link.publish({ topic: "large", payload, qos: 1, retain: false });
      expect(Buffer.from((await next()).payload).equals(payload)).toBe(true);
    });

    test("a retained message is there for who comes later, and is gone when cleared", async () => {
      const { link } = await at();
      await link.publish({ topic: "kept/a", payload: "1", qos: 1, retain: true });
      const later = await at();
      await later.link.subscribe(["kept/a"]);
      expect(await later.next()).toMatchObject({ topic: "kept/a", retain: true });
      await link.publish({ topic: "kept/a", payload: "", qos: 1, retain: true });
      const last = await at();
      await last.link.subscribe(["kept/a"]);
      await sleep(300);
      expect(last.received).toEqual([]);
      await link.publish({ topic: "kept/b", payload: "1", qos: 1, retain: true });
      const wild = await at();
      await wild.link.subscribe(["kept/+"]);
      const shown = until(() => wild.received.length > 0, UNHEARD_MS, "a retained message");
      found("retained, found by a wildcard", await shown.then(() => true).catch(() => false));
    });

    test("the will is published when a link breaks, retained, and not when it is ended", async () => {
      const watching = await at();
      await watching.link.subscribe(["will/+"]);
      const ended = await at({ will: { topic: "will/ended", payload: "offline" } });
      await ended.link.end();
      const broken = await at({ will: { topic: "will/broken", payload: "offline" } });
      broken.link.abandon(new Error("enough"));
      expect((await watching.next()).topic).toBe("will/broken");
      const later = await at();
      await later.link.subscribe(["will/broken"]);
      const shown = until(() => later.received.length > 0, UNHEARD_MS, "the retained will");
      found("retained will", await shown.then(() => true).catch(() => false));
    });

    test("who takes over a session ends the first connection", async () => {
      const first = await at({ clientId: "one" });
      await at({ clientId: "one" });
      await until(() => first.link.closed.aborted, 10_000, "the end of the first");
      found(
        "says why, when taken over",
        (first.link.closed.reason as Error).name === "SessionTakenOverError",
      );
    });

    test("a kept session gets what came while it was away", async () => {
      const options = { clientId: "kept", sessionExpiryMs: 60_000 };
      const first = await at(options);
      await first.link.subscribe(["away/+"]);
      await first.link.end();
      const sender = await at();
      await sender.link.publish({ topic: "away/a", payload: "1", qos: 1, retain: false });
      const again = await at(options);
      expect((await again.next()).topic).toBe("away/a");
      await again.link.end({ forgetSession: true });
    });

    test("limits that it announces are known", async () => {
      const { link } = await at();
      found("announces Receive Maximum", link.receiveMaximum < 65_535 && `${link.receiveMaximum}`);
      const bytes = link.maximumPacketBytes;
      found("announces Maximum Packet Size", Number.isFinite(bytes) && `${bytes}`);
    });

    test("a backlog stays within what it announces, and arrives whole", async () => {
      const { link } = await at();
      let inFlight = 0;
      let most = 0;
      const counting: OpenLink = {
        ...link,
        publishThen(message, done) {
          most = Math.max(most, ++inFlight);
          link.publishThen(message, (error) => {
            inFlight--;
            done(error);
          });
        },
      };
      const listening = await at();
      await listening.link.subscribe(["flood/telemetry/+"]);
      const outbox = memoryOutbox();
      for (let value = 1; value <= 500; value++) outbox.append(reading(value));
      const uplink = createUplink({
        outbox,
        spell: contractSpelling({ topicRoot: "flood", qos: 1 }),
        maxInFlight: 64,
        ratePerSecond: 0,
        clock: linuxClock(),
        log: silentLog,
        onDrop() {},
      });
      const running = uplink.run(counting);
      await until(() => listening.received.length === 500, 30_000, "500 records");
      expect(most).toBe(Math.min(64, link.receiveMaximum));
      await link.end();
      await running;
    });

    test("a dot in a topic stays one", async () => {
      const { link, received } = await at();
      await link.subscribe(["#"]);
      const sent = await link
        .publish({ topic: "dot/a.b", payload: "1", qos: 1, retain: false })
        .catch(() => false);
      const dotted = () => received.some(({ topic }) => topic.startsWith("dot/"));
      if (sent !== false) await until(dotted, 10_000, "the message");
      const topic = received.find(({ topic }) => topic.startsWith("dot/"))?.topic;
      found("a dot in a topic", topic === "dot/a.b" || (topic ? `becomes ${topic}` : "refused"));
    });

    test("a wrong password is refused in words, the right one is let in", async () => {
      const guarded = await maker.start(packages, user);
      try {
        const wrong = open(guarded.port, best, { username: user.name, password: "another" });
        await expect(wrong).rejects.toThrow(/refuses the connection: (not authorized|bad user name)/);
        const { link } = await open(guarded.port, best, { username: user.name, password: user.password });
        expect(link.closed.aborted).toBe(false);
      } finally {
        await Promise.all(links.splice(0).map((link) => link.end()));
        await guarded.stop();
      }
    });

    test("a node in an outage loses nothing, and obeys before and after it", async () => {
      const node = await startFieldNode(`m${MAKERS.indexOf(maker)}`, broker.port, {
        version: maker.only ?? "auto",
      });
      try {
        await node.connected();
        expect(node.session.status().version).toBe(best === 5 ? "5" : "3.1.1");
        node.measure();
        await node.command();
        await node.proxy.refuse();
        await sleep(1_000);
        await node.proxy.restore();
        await node.recovers();
      } finally {
        await node.stop();
      }
    });
  });
}

test.skipIf(MAKERS.some((maker) => !maker.there(packages)))(
  "the table of docs/brokers.md says what was found (npm run brokers:table writes it)",
  async () => {
    if (process.env["BROKERS_TABLE"] === "write") await writeTable();
    expect(await committedTable()).toBe(tableOf());
  },
);
