import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Aedes } from "aedes";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { brokerVisit } from "../../src/doctor/broker-visit.ts";
import type { RunningNode } from "../../src/doctor/patient.ts";
import { type Certificate, issueCertificate } from "../broker/certificate.ts";
import { freePort, type MosquittoOptions, startMosquitto } from "../broker/mosquitto.ts";
import { type Breakable, diagnosed, NODE, unwell, YAML } from "./patient.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fieldpost-doctor-broker-"));
});
afterAll(() => rm(folder, { recursive: true }));

interface Visiting {
  readonly url: string;
  /** In flow style, inside of `mqtt: {}`. */
  readonly settings?: string;
  readonly breakIt?: (it: Breakable) => void;
}

/** What is said of a node whose board and machine are well, at this broker. */
function visiting({ url, settings = "", breakIt = () => {} }: Visiting) {
  return diagnosed({
    yaml: YAML.replace('url: "mqtt://127.0.0.1"', `url: ["${url}"]${settings}`),
    breakIt,
    brokers: ({ config, clock }) =>
      config.mqtt.url.map((server) =>
        brokerVisit(server, { mqtt: config.mqtt, clientId: "n1-doctor", clock }),
      ),
  });
}

async function atMosquitto<T>(options: MosquittoOptions, use: (url: string) => Promise<T>): Promise<T> {
  const broker = await startMosquitto(options);
  try {
    return await use(broker.url.replace("localhost", "127.0.0.1"));
  } finally {
    await broker.stop();
  }
}

const said = (found: Awaited<ReturnType<typeof visiting>>) =>
  unwell(found).map(({ check, found, fix = "" }) => `${check}: ${found} → ${fix}`);

const inDays = (days: number) =>
  `${new Date(Date.now() + days * 86_400_000).toISOString().replace(/[-:T]|\.\d+/g, "")}`;

describe.concurrent("the doctor, of a broker", () => {
  test("finds all well where all is well", async () => {
    const found = await atMosquitto({}, (url) => visiting({ url }));
    expect(said(found)).toEqual([]);
    expect(
      found
        .filter(({ check }) => /^broker|^client-id/.test(check))
        .map(({ check, verdict }) => [check, verdict]),
    ).toEqual([
      ["broker-port", "ok"],
      ["broker-connect", "ok"],
      ["broker-limits", "ok"],
      ["broker-subscribe", "ok"],
      ["broker-publish", "ok"],
      ["client-id", "ok"],
    ]);
  });

  test("broker-name: names a name that leads nowhere, and asks for nothing behind it", async () => {
    const found = await visiting({ url: "mqtts://broker.invalid" });
    expect(said(found)).toEqual([expect.stringMatching(/^broker-name: .*broker\.invalid/)]);
    expect(found.filter(({ verdict }) => verdict === "skipped").map(({ check }) => check)).toEqual([
      ...[
        "broker-port",
        "tls-trust",
        "tls-name",
        "tls-dates",

        "broker-connect",
        "broker-limits",
        "broker-subscribe",
        "broker-publish",
        "client-id",
      ],
    ]);
  });

  test("broker-port: names a port on which nobody listens", async () => {
    const found = await visiting({ url: `mqtt://127.0.0.1:${await freePort()}` });
    expect(said(found)).toEqual([
      expect.stringMatching(/^broker-port: nothing listens on port \d+ .*→ is the broker running/),
    ]);
  });

  test("gives each of several brokers its own lines", async () => {
    const dead = `mqtt://127.0.0.1:${await freePort()}`;
    await atMosquitto({}, async (url) => {
      const found = await visiting({ url: `${url}", "${dead}` });
      const ports = found.filter(({ check }) => check === "broker-port");
      expect(ports.map(({ what, verdict }) => [what, verdict])).toEqual([
        [`port ${url}`, "ok"],
        [`port ${dead}`, "failed"],
      ]);
    });
  });

  test.each<[string, string, MosquittoOptions, RegExp]>([
    [
      "broker-connect",
      "a broker that wants another password",
      { extra: ["allow_anonymous false"] },
      /not authorized.*mqtt\.password.*n1-doctor/,
    ],
    [
      "broker-limits",
      "packets that are too small for a node",
      { extra: ["max_packet_size 300"] },
      /at most 300 B/,
    ],
    [
      "broker-limits",
      "a broker that keeps nothing",
      { extra: ["retain_available false"] },
      /no retained messages/,
    ],
    ["broker-limits", "a broker that acknowledges nothing", { extra: ["max_qos 0"] }, /QoS 0 only/],
  ])("%s: names %s, and nothing else", async (check, _what, options, says) => {
    const found = said(await atMosquitto(options, (url) => visiting({ url })));
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(new RegExp(`^${check}: `));
    expect(found[0]).toMatch(says);
  });

  test("broker-publish: names an access list that lets nothing in", async () => {
    const acl = join(folder, "acl");
    await writeFile(acl, "topic read fieldpost/#\nuser n1\ntopic read fieldpost/#\n");
    await chmod(acl, 0o600);
    const found = await atMosquitto({ extra: [`acl_file ${acl}`] }, (url) => visiting({ url }));
    expect(said(found)).toEqual([
      expect.stringMatching(
        /^broker-publish: fieldpost\/n1\/doctor: .*not authorized.* → .*publish to fieldpost\/n1\/#/,
      ),
    ]);
  });

  test("broker-subscribe: names an access list that keeps commands away", async () => {
    const broker = await Aedes.createBroker({
      authorizeSubscribe: (_client, subscription, done) =>
        done(null, /command/.test(subscription.topic) ? null : subscription),
    });
    const server = createServer(broker.handle);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const found = await visiting({ url: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}` });
    expect(said(found)).toEqual([
      expect.stringMatching(/^broker-subscribe: fieldpost\/n1\/command\/\+: .*→ the broker's access list/),
    ]);
    await new Promise<void>((resolve) => broker.close(resolve));
    server.close();
  });

  test("client-id: names another machine that is online as this node, throws nobody out, and knows its own node", async () => {
    await atMosquitto({}, async (url) => {
      const other = brokerVisit(
        { scheme: "mqtt", host: "127.0.0.1", port: Number(new URL(url).port) },
        { mqtt: { version: "5", keepalive: 25_000 } as never, clientId: "n1", clock: await someClock() },
      );
      const link = await other.link();
      await link.publish({ topic: "fieldpost/n1/status", payload: "online", qos: 1, retain: true });
      expect(said(await visiting({ url }))).toEqual([
        expect.stringMatching(/^client-id: somebody is online as fieldpost\/n1 .*another device\.id/),
      ]);
      expect(link.closed.aborted).toBe(false);
      const own = {
        runs: true,
        view: { pid: 7, link: { connected: true, server: url } },
      } as unknown as RunningNode;
      const found = await visiting({
        url,
        breakIt: ({ patient }) => void Object.assign(patient, { runningNode: async () => own }),
      });
      expect(said(found)).toEqual([]);
      await other.end();
    });
  });
});

const someClock = async () => (await import("../../src/device/linux/clock.ts")).linuxClock();

describe.concurrent("the doctor, of certificates", () => {
  /** A broker with a certificate of this kind, and a node with a client certificate of its own. */
  async function atSecureBroker(
    id: string,
    certificate: Certificate,
    change: (files: Record<"ca" | "cert" | "key", string>) => Promise<object> | object = () => ({}),
    breakIt?: Visiting["breakIt"],
  ) {
    const broker = await issueCertificate(folder, `${id}-broker`, certificate);
    const node = await issueCertificate(folder, `${id}-node`, {});
    const files = { ca: broker.ca, cert: node.cert, key: node.key };
    Object.assign(files, await change(files));
    const extra = [`cafile ${node.ca}`, `certfile ${broker.cert}`, `keyfile ${broker.key}`];
    return atMosquitto({ extra }, (url) =>
      visiting({
        url: url.replace("mqtt:", "mqtts:").replace("127.0.0.1", "localhost"),
        settings: `, tls: { ca: ${files.ca}, cert: ${files.cert}, key: ${files.key} }`,
        breakIt(it) {
          it.files[files.key] = { text: "", mode: 0o600, uid: NODE };
          breakIt?.(it);
        },
      }),
    );
  }

  test("finds all well where all is well", async () => {
    const found = await atSecureBroker("well", {});
    expect(said(found)).toEqual([]);
    const tls = found.filter(({ check }) => check.startsWith("tls"));
    expect(tls.map(({ check, verdict }) => [check, verdict])).toEqual([
      ["tls-trust", "ok"],
      ["tls-name", "ok"],
      ["tls-dates", "ok"],
      ["tls-own-dates", "ok"],
      ["tls-own-dates", "ok"],
      ["tls-key", "ok"],
    ]);
  });

  const other =
    (id: string, part: "ca" | "cert" | "key", kind: Certificate = {}) =>
    async () => ({
      [part]: (await issueCertificate(folder, `${id}-${part}`, kind))[part],
    });

  test.each<[string, string, Certificate, (() => Promise<object>) | undefined, RegExp]>([
    [
      "tls-trust",
      "an authority that is not the broker's",
      {},
      other("stranger", "ca"),
      /Authority .*not vouch.*mqtt\.tls\.ca/,
    ],
    [
      "tls-name",
      "a certificate for another name",
      { name: "broker.example" },
      undefined,
      /DNS:broker\.example, not for localhost/,
    ],
    [
      "tls-dates",
      "a certificate that has expired",
      { to: "20210101000000Z" },
      undefined,
      /expired on 2021-01-01.*renew/,
    ],
    [
      "tls-dates",
      "a certificate of the future",
      { from: "20390101000000Z" },
      undefined,
      /not valid before 2039-01-01.*clock/,
    ],
    ["tls-dates", "a certificate that expires soon", { to: inDays(9.5) }, undefined, /9 days.*renew/],
    ["tls-key", "a key that is another certificate's", {}, other("stranger2", "key"), /is not the key of/],
  ])("%s: names %s, and nothing else", async (check, what, certificate, change, says) => {
    const found = said(await atSecureBroker(what.replaceAll(/\W/g, "-"), certificate, change));
    expect(found[0]).toMatch(new RegExp(`^${check}: `));
    expect(found[0]).toMatch(says);
    // A node with the wrong key cannot connect, either.
    expect(found.filter((line) => !line.startsWith(`${check}: `) && check !== "tls-key")).toEqual([]);
  });

  test("tls-own-dates: names a client certificate that expires soon", async () => {
    const own = await issueCertificate(folder, "own", { to: inDays(3.5) });
    const found = await visiting({
      url: `mqtts://localhost:${await freePort()}`,
      settings: `, tls: { cert: ${own.cert}, key: ${own.key} }`,
      breakIt: ({ files }) => void Object.assign(files, { [own.key]: { text: "", mode: 0o600, uid: NODE } }),
    });
    expect(said(found)).toEqual([
      expect.stringMatching(/^broker-port/),
      expect.stringMatching(/^tls-own-dates: .*3 days/),
    ]);
  });

  test("tls-key: names a key that everybody may read", async () => {
    const found = await atSecureBroker("open", {}, undefined, ({ files }) => {
      for (const [path, file] of Object.entries(files)) if (path.startsWith(folder)) file.mode = 0o644;
    });
    expect(said(found)).toEqual([expect.stringMatching(/^tls-key: .*everybody may use it → chmod 600/)]);
  });
});
