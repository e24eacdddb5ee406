import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { type AddressInfo, connect } from "node:net";
import { dirname, join } from "node:path";
import { createServer, type TLSSocket } from "node:tls";
import { promisify } from "node:util";
import { describe, expect, test, vi } from "vitest";
import { nodeFiles } from "../../src/outbox/files/node.ts";
import { inspectOutbox } from "../../src/outbox/inspect.ts";
import { freePort, type MosquittoOptions, startMosquitto } from "../broker/mosquitto.ts";
import { configFolder, startBundle } from "./bundle.ts";
import { subscribe } from "./subscriber.ts";

const run = promisify(execFile);

const config = (mqtt: string) => `
device: { id: n1 }
mqtt: { ${mqtt} }
telemetry: { interval: 100ms }
health: { interval: 10s }
buffer: { path: FOLDER/outbox, max_size: 16MiB }
sensors: [{ id: air, driver: sht4x }]
`;

/** A node with these `mqtt` settings connects, the broker acknowledges its records, and it ends in order. */
async function delivers(mqtt: string): Promise<void> {
  const folder = await configFolder(config(mqtt));
  const node = startBundle(["run", "--simulate", "--config", folder.file]);
  await node.printed("connected to the broker");
  const outbox = join(folder.folder, "outbox");
  await vi.waitFor(
    () => expect(inspectOutbox(outbox, nodeFiles()).ackedSeq).toBeGreaterThanOrEqual(5),
    10_000,
  );
  expect(await node.end("SIGTERM")).toMatchObject({ code: 0 });
  expect(node.stderr()).not.toContain("certificate is not checked");
  await folder.remove();
}

/** A certificate for the node, signed by the authority of a broker of {@link startMosquitto}. */
async function clientCertificate(caFile: string): Promise<{ cert: string; key: string }> {
  const at = (name: string) => join(dirname(caFile), name);
  const key = [
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-keyout",
    at("n1.key"),
  ];
  await run("openssl", ["req", ...key, "-subj", "/CN=n1", "-out", at("n1.csr")]);
  const signer = ["-CA", caFile, "-CAkey", at("ca.key"), "-CAcreateserial", "-days", "2"];
  await run("openssl", ["x509", "-req", "-in", at("n1.csr"), ...signer, "-out", at("n1.pem")]);
  return { cert: at("n1.pem"), key: at("n1.key") };
}

// What the bundle replaces of MQTT.js and its packages must not be missed over any transport that it claims.
describe("the bundle connects, delivers and says goodbye", () => {
  test.each<[string, MosquittoOptions, "auto" | "3.1.1" | "5"]>([
    ["mqtt, MQTT 5", {}, "5"],
    ["mqtt, MQTT 3.1.1", {}, "3.1.1"],
    ["mqtts", { tls: true }, "auto"],
    ["ws", { webSockets: true }, "auto"],
    ["wss", { webSockets: true, tls: true }, "auto"],
  ])("over %s", async (_name, options, version) => {
    const broker = await startMosquitto(options);
    const tls = options.tls ? `, tls: { ca: ${broker.caFile} }` : "";
    await delivers(`url: "${broker.url}", version: "${version}"${tls}`);
    await broker.stop();
  });

  test.each<[string, MosquittoOptions]>([
    ["mqtts", { tls: true }],
    ["wss", { tls: true, webSockets: true }],
  ])("over %s to a broker that wants to see the node's own certificate", async (_name, options) => {
    const broker = await startMosquitto({ ...options, extra: ["require_certificate true"] });
    const { cert, key } = await clientCertificate(broker.caFile);
    await delivers(`url: "${broker.url}", tls: { ca: ${broker.caFile}, cert: ${cert}, key: ${key} }`);

    const folder = await configFolder(config(`url: "${broker.url}", tls: { ca: ${broker.caFile} }`));
    const stranger = startBundle(["run", "--simulate", "--config", folder.file]);
    await stranger.printed("cannot connect to the broker");
    expect(await stranger.end("SIGTERM")).toMatchObject({ code: 0 });
    expect(stranger.stderr()).not.toContain('connected to the broker"');
    await Promise.all([broker.stop(), folder.remove()]);
  });

  test("over a Unix socket", async () => {
    const folder = await configFolder("");
    const path = join(folder.folder, "mqtt.sock");
    const broker = await startMosquitto({ extra: [`listener 0 ${path}`] });
    await delivers(`url: "mqtt+unix://${path}"`);
    await Promise.all([broker.stop(), folder.remove()]);
  });

  test("over TLS with the server name (SNI) and the protocol (ALPN) that are configured", async () => {
    const broker = await startMosquitto();
    const { caFile, ...certified } = await startMosquitto({ tls: true });
    const seen: unknown[] = [];
    const [cert, key] = await Promise.all(
      ["server.pem", "server.key"].map((name) => readFile(join(dirname(caFile), name))),
    );
    const front = createServer({ cert, key, ALPNProtocols: ["mqtt"] }, (near) => {
      seen.push((near as TLSSocket & { servername: string }).servername, near.alpnProtocol);
      const far = connect(broker.port, "127.0.0.1");
      for (const [end, other] of [
        [near, far],
        [far, near],
      ] as const)
        end.on("error", () => other.destroy()).pipe(other);
    });
    await new Promise<void>((resolve) => front.listen(0, "127.0.0.1", resolve));
    const { port } = front.address() as AddressInfo;
    await delivers(
      `url: "mqtts://127.0.0.1:${port}", tls: { ca: ${caFile}, server_name: localhost, alpn: [mqtt] }`,
    );
    expect(seen).toEqual(["localhost", "mqtt"]);
    front.close();
    await Promise.all([broker.stop(), certified.stop()]);
  });
});

test("a certificate that is not checked is a warning at each start, and flagged on health", async () => {
  // The consumer comes by a listener without TLS.
  const plainPort = await freePort();
  const broker = await startMosquitto({ tls: true, extra: [`listener ${plainPort} 127.0.0.1`] });
  const consumer = await subscribe(plainPort);
  const folder = await configFolder(config(`url: "${broker.url}", tls: { insecure: true }`));
  for (let starts = 1; starts <= 2; starts++) {
    const node = startBundle(["run", "--simulate", "--config", folder.file]);
    await consumer.hear("health", ({ json }) => json.boot === starts && json.link.insecure === true);
    expect(await node.end("SIGTERM")).toMatchObject({ code: 0 });
    // The configuration's findings come first, as text.
    const warnings = node
      .stderr()
      .split("\n")
      .filter((line) => line.startsWith("{") && line.includes("certificate is not checked"));
    expect(warnings.map((line) => JSON.parse(line))).toMatchObject([{ level: "warn" }]);
  }
  await consumer.end();
  await Promise.all([broker.stop(), folder.remove()]);
});

test("a broker's certificate that the configured authority did not sign is one clear error", async () => {
  const broker = await startMosquitto({ tls: true });
  const other = await startMosquitto({ tls: true });
  const folder = await configFolder(config(`url: "${broker.url}", tls: { ca: ${other.caFile} }`));
  const node = startBundle(["run", "--simulate", "--config", folder.file]);
  await node.printed("cannot connect to the broker");
  const line = node
    .stderr()
    .split("\n")
    .find((line) => line.includes("cannot connect to the broker"))!;
  expect(JSON.parse(line)).toMatchObject({ level: "warn", error: expect.stringContaining("certificate") });
  expect(await node.end("SIGTERM")).toMatchObject({ code: 0 });
  await Promise.all([broker.stop(), other.stop(), folder.remove()]);
});
