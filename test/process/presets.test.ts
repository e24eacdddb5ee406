import { afterEach, expect, test } from "vitest";
import { PRESETS } from "../../src/mqtt/broker/presets.ts";
import { until } from "../mqtt/field-node.ts";
import { type StrictBroker, startStrictBroker } from "../mqtt/link/strict-broker.ts";
import { type BundleProcess, configFolder, startBundle } from "./bundle.ts";

let broker: StrictBroker;
let node: BundleProcess | undefined;
let folder: Awaited<ReturnType<typeof configFolder>>;

afterEach(async () => {
  await node?.end("SIGKILL");
  await broker.close();
  await folder.remove();
});

/** More readings than the broker takes, beside a backlog from before it was there. */
const yaml = (port: number, preset: string) => `
device: { id: n1 }
mqtt: { url: "mqtt://127.0.0.1:${port}", version: 3.1.1, ${preset} reconnect: { min: 1s, max: 1s } }
telemetry: { interval: 50ms }
buffer: { path: FOLDER/outbox, max_size: 16MiB }
sensors:
${Array.from({ length: 8 }, (_, at) => `  - { id: air${at}, driver: bme280, bus: b${at} }`).join("\n")}
buses: { i2c: { ${Array.from({ length: 8 }, (_, at) => `b${at}: { device: /dev/i2c-${at + 2} }`).join(", ")} } }
`;

async function run(preset: string): Promise<void> {
  broker = await startStrictBroker(PRESETS.aws_iot_core);
  folder = await configFolder(yaml(broker.port, preset));
  node = startBundle(["run", "--simulate", "--config", folder.file]);
  await node.printed("connected to the broker", 30_000);
}

test("a whole node with a preset stays within a strict broker's limits", { timeout: 60_000 }, async () => {
  await run("preset: aws_iot_core,");
  await until(() => broker.accepted.length > 300, 30_000, "300 messages");
  expect(broker.offences).toEqual([]);
  expect(node!.stderr()).not.toContain("lost the broker");
});

test("the same node without it is thrown out", { timeout: 60_000 }, async () => {
  await run("keepalive: 60s,").catch(() => {});
  await until(() => broker.offences.length > 0, 30_000, "an offence");
  expect(broker.offences[0]).toMatch(/messages in a second/);
});
