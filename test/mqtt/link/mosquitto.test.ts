import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqttPacket from "mqtt-packet";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Clock } from "../../../src/device/clock.ts";
import { silentLog } from "../../../src/log.ts";
import { parseServer } from "../../../src/mqtt/broker/server.ts";
import type { MqttSettings } from "../../../src/mqtt/broker/settings.ts";
import { contractSpelling } from "../../../src/mqtt/convention/spelling.ts";
import { type LinkOptions, openLink } from "../../../src/mqtt/link/connect.ts";
import { networkDial } from "../../../src/mqtt/link/dial.ts";
import { type Incoming, type OpenLink, PublishRefusedError } from "../../../src/mqtt/link/link.ts";
import { createUplink } from "../../../src/mqtt/uplink/uplink.ts";
import { freePort, type Mosquitto, makeAuthority, startMosquitto } from "../../broker/mosquitto.ts";
import { memoryOutbox, reading } from "../uplink/memory-outbox.ts";

const clock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  bootId: "5eed0001",
  synced: () => true,
  sleep: (durationMs, signal) =>
    new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, durationMs);
      if (signal?.aborted) done();
      else signal?.addEventListener("abort", done);
    }),
};

const links: OpenLink[] = [];
afterEach(async () => {
  for (const link of links.splice(0)) await link.end();
});

interface Connecting extends Partial<LinkOptions> {
  readonly tls?: MqttSettings["tls"];
}

async function connect(url: string, { tls, ...options }: Connecting = {}): Promise<OpenLink> {
  const link = await openLink(
    {
      server: parseServer(url),
      version: 5,
      clientId: `test-${links.length}`,
      keepaliveMs: 25_000,
      sessionExpiryMs: 0,
      will: { topic: "n1/status", payload: "offline" },
      onMessage() {},
      clock,
      log: silentLog,
      ...options,
    },
    networkDial(tls, (path) => readFile(path)),
    new AbortController().signal,
  );
  links.push(link);
  return link;
}

/** Messages as they come, to be awaited one by one. */
function inbox() {
  const messages: Incoming[] = [];
  let wake = () => {};
  return {
    onMessage(message: Incoming) {
      messages.push(message);
      wake();
    },
    async next(): Promise<Incoming> {
      while (messages.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return messages.shift()!;
    },
  };
}

const text = ({ payload }: Incoming) => Buffer.from(payload).toString();
const message = (topic: string, payload: string, retain = false) =>
  ({ topic, payload, qos: 1, retain }) as const;

describe("plain mosquitto", () => {
  let broker: Mosquitto;
  beforeAll(async () => {
    broker = await startMosquitto({ maxInflight: 10 });
  });
  afterAll(() => broker.stop());

  test.each([4, 5] as const)(
    "protocol level %i: what is published comes to who subscribed",
    async (version) => {
      const { onMessage, next } = inbox();
      const link = await connect(broker.url, { version, onMessage });
      expect(link.version).toBe(version);
      await link.subscribe(["n1/command/+"]);
      await link.publish(message("n1/command/pump", "on"));
      expect(await next().then(text)).toBe("on");
      await link.unsubscribe(["n1/command/+"]);
    },
  );

  test("a response topic and correlation data come along in MQTT 5", async () => {
    const { onMessage, next } = inbox();
    const link = await connect(broker.url, { onMessage });
    await link.subscribe(["n1/command/+"]);
    const asking = await connect(broker.url, { clientId: "asking" });
    await asking.publish({ ...message("n1/command/pump", "on"), correlationData: Buffer.from("c1") });
    expect(Buffer.from((await next()).correlationData!).toString()).toBe("c1");
  });

  test("the will is published when a link is abandoned, and not when it is ended", async () => {
    const { onMessage, next } = inbox();
    const watching = await connect(broker.url, { onMessage, clientId: "watching" });
    await watching.subscribe(["will/+"]);
    const ended = await connect(broker.url, {
      clientId: "ended",
      will: { topic: "will/ended", payload: "x" },
    });
    await ended.end();
    const abandoned = await connect(broker.url, {
      clientId: "left",
      will: { topic: "will/left", payload: "x" },
    });
    abandoned.abandon(new Error("enough"));
    expect((await next()).topic).toBe("will/left");
    expect(String(abandoned.closed.reason)).toBe("Error: enough");
  });

  test("the Receive Maximum is announced and respected", async () => {
    const link = await connect(broker.url);
    expect(link.receiveMaximum).toBe(10);
    let mostInFlight = 0;
    let inFlight = 0;
    const counting: OpenLink = {
      ...link,
      publishThen(outgoing, done) {
        mostInFlight = Math.max(mostInFlight, ++inFlight);
        link.publishThen(outgoing, (error) => {
          inFlight--;
          done(error);
        });
      },
    };
    const outbox = memoryOutbox();
    for (let value = 1; value <= 500; value++) outbox.append(reading(value));
    const uplink = createUplink({
      outbox,
      spell: contractSpelling({ topicRoot: "n1", qos: 1 }),
      maxInFlight: 64,
      ratePerSecond: 0,
      clock,
      log: silentLog,
      onDrop() {},
    });
    const running = uplink.run(counting);
    while (outbox.entries.length > 0) await new Promise(setImmediate);
    expect(mostInFlight).toBe(10);
    await link.end();
    await running;
  });

  test("a topic that no broker takes is refused without losing the link", async () => {
    const link = await connect(broker.url);
    await expect(link.publish(message("a/#", "x"))).rejects.toBeInstanceOf(PublishRefusedError);
    await link.publish(message("a/b", "x"));
  });

  test("a link holds no cache of 65,536 packet numbers", () => {
    expect(mqttPacket.writeToStream.cacheNumbers).toBe(false);
  });
});

describe("a broker with limits", () => {
  let broker: Mosquitto;
  beforeAll(async () => {
    broker = await startMosquitto({
      extra: ["max_packet_size 2000", "max_keepalive 60", "password_file /dev/null"],
    });
  });
  afterAll(() => broker.stop());

  test("a message above the Maximum Packet Size is refused here, and the link goes on", async () => {
    const link = await connect(broker.url);
    expect(link.maximumPacketBytes).toBe(2_000);
    await expect(link.publish(message("a", "x".repeat(2_000)))).rejects.toThrow("packet too large");
    await link.publish(message("a", "x".repeat(1_500)));
  });

  test.each([4, 5] as const)("level %i: wrong credentials are named", async (version) => {
    const connecting = connect(broker.url, { version, username: "node", password: "wrong" });
    await expect(connecting).rejects.toThrow(/refuses the connection: (not authorized|bad user name)/);
  });

  test("a port where nothing listens is named", async () => {
    const port = await freePort();
    await expect(connect(`mqtt://127.0.0.1:${port}`)).rejects.toThrow(
      `mqtt://127.0.0.1:${port}: nothing listens on port ${port} (connection refused)`,
    );
  });
});

describe("mosquitto over TLS", () => {
  let broker: Mosquitto;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "fieldpost-tls-"));
    broker = await startMosquitto({ tls: true });
  });
  afterAll(async () => {
    await broker.stop();
    await rm(folder, { recursive: true });
  });

  test("the right authority lets the link be made", async () => {
    const link = await connect(broker.url, { tls: { ca: broker.caFile, insecure: false } });
    await link.publish(message("n1/status", "online", true));
  });

  test("a wrong authority is one clear line", async () => {
    const { caFile } = await makeAuthority(folder, "Another CA");
    await expect(connect(broker.url, { tls: { ca: caFile, insecure: false } })).rejects.toThrow(
      `${broker.url}: the broker's certificate "test broker" (issued by "Fieldpost test CA") is not signed by ` +
        `an authority in mqtt.tls.ca (${caFile}): put the one that signed it there`,
    );
  });

  test("no authority at all is one clear line", async () => {
    await expect(connect(broker.url)).rejects.toThrow("set mqtt.tls.ca to the one that signed it");
  });

  test("another name than the certificate's is one clear line", async () => {
    const tls = { ca: broker.caFile, server_name: "broker.example", insecure: false };
    await expect(connect(broker.url, { tls })).rejects.toThrow(
      /certificate "test broker" .* is for DNS:localhost, IP Address:127.0.0.1, not for broker.example/,
    );
  });

  test("a file that is not there is named by its setting", async () => {
    await expect(connect(broker.url, { tls: { ca: "/nowhere/ca.pem", insecure: false } })).rejects.toThrow(
      /cannot read mqtt.tls.ca: ENOENT.*\/nowhere\/ca.pem/,
    );
  });

  test("plain MQTT at the TLS port fails, and so does TLS at a plain port", async () => {
    await expect(connect(`mqtt://localhost:${broker.port}`)).rejects.toThrow(`localhost:${broker.port}`);
    const plain = await startMosquitto();
    await expect(connect(`mqtts://localhost:${plain.port}`)).rejects.toThrow(
      /does not speak TLS|closed|reset/,
    );
    await plain.stop();
  });
});

describe("mosquitto over WebSockets", () => {
  test("a link can be made and used", async () => {
    const broker = await startMosquitto({ webSockets: true });
    const link = await connect(broker.url);
    await link.publish(message("n1/status", "online"));
    await link.end();
    await broker.stop();
    await expect(connect(broker.url)).rejects.toThrow("connection refused");
  });

  test("over TLS too, with the same words for a wrong authority", async () => {
    const broker = await startMosquitto({ webSockets: true, tls: true });
    const link = await connect(broker.url, { tls: { ca: broker.caFile, insecure: false } });
    await link.publish(message("n1/status", "online"));
    await link.end();
    await expect(connect(broker.url)).rejects.toThrow("set mqtt.tls.ca to the one that signed it");
    await broker.stop();
  });

  test("a server that is no WebSocket server is named", async () => {
    const broker = await startMosquitto();
    await expect(connect(`ws://127.0.0.1:${broker.port}`)).rejects.toThrow(
      `ws://127.0.0.1:${broker.port}/mqtt: `,
    );
    await broker.stop();
  });
});

describe("a broker that is killed", () => {
  test("closes the link, and a resumed session brings what it queued", async () => {
    const broker = await startMosquitto({ persistence: true });
    const { onMessage, next } = inbox();
    const options = { clientId: "resumed", sessionExpiryMs: 3_600_000, onMessage };
    const first = await connect(broker.url, options);
    await first.subscribe(["n1/command/+"]);
    await first.end();
    const sender = await connect(broker.url, { clientId: "sender" });
    await sender.publish(message("n1/command/pump", "on"));
    await broker.restart();
    await connect(broker.url, options);
    expect(await next().then(text)).toBe("on");
    await broker.kill();
    await broker.stop();
  });
});
