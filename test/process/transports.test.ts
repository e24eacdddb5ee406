import { describe, expect, test } from "vitest";
import { type MosquittoOptions, startMosquitto } from "../broker/mosquitto.ts";
import { configFolder, startBundle } from "./bundle.ts";

// What the bundle replaces of MQTT.js and its packages must not be missed over any transport that it claims.
describe.each<[string, MosquittoOptions, "auto" | "3.1.1" | "5"]>([
  ["mqtt, MQTT 5", {}, "5"],
  ["mqtt, MQTT 3.1.1", {}, "3.1.1"],
  ["mqtts", { tls: true }, "auto"],
  ["ws", { webSockets: true }, "auto"],
])("the bundle over %s", (_name, options, version) => {
  test("connects, delivers and says goodbye", async () => {
    const broker = await startMosquitto(options);
    const tls = options.tls ? `, tls: { ca: ${broker.caFile} }` : "";
    const folder = await configFolder(`
device: { id: n1 }
mqtt: { url: "${broker.url}", version: "${version}"${tls} }
telemetry: { interval: 100ms }
buffer: { path: FOLDER/outbox, max_size: 16MiB }
sensors: [{ id: air, driver: sht4x }]
`);
    const node = startBundle(["run", "--simulate", "--config", folder.file]);
    await node.printed("connected to the broker");
    const acknowledged = async () => {
      const look = startBundle(["buffer", "status", "--json", "--config", folder.file]);
      await look.exited;
      return JSON.parse(look.stdout()).acked_seq as number;
    };
    const deadlineMs = Date.now() + 10_000;
    while ((await acknowledged()) < 5) expect(Date.now()).toBeLessThan(deadlineMs);
    expect(await node.end("SIGTERM")).toMatchObject({ code: 0 });
    await broker.stop();
    await folder.remove();
  });
});

test("a broker's certificate that the configured authority did not sign is one clear error", async () => {
  const broker = await startMosquitto({ tls: true });
  const other = await startMosquitto({ tls: true });
  const folder = await configFolder(`
device: { id: n1 }
mqtt: { url: "${broker.url}", tls: { ca: ${other.caFile} } }
buffer: { path: FOLDER/outbox, max_size: 16MiB }
sensors: [{ id: air, driver: sht4x }]
`);
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
