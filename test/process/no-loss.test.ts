import { connect, type MqttClient } from "mqtt";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Ledger } from "../../src/audit/ledger.ts";
import { seededRandom } from "../../src/device/random.ts";
import { type Mosquitto, startMosquitto } from "../broker/mosquitto.ts";
import { type BundleProcess, configFolder, startBundle } from "./bundle.ts";

const KILLS = 50;
const WINDOW = 64;

let broker: Mosquitto;
let subscriber: MqttClient;
let folder: Awaited<ReturnType<typeof configFolder>>;
const ledger = new Ledger("n1");

beforeAll(async () => {
  // The broker keeps what it acknowledged over its own restarts, so that every gap would be the node's.
  broker = await startMosquitto({
    persistence: true,
    extra: ["max_queued_messages 0", `max_inflight_messages ${WINDOW}`],
  });
  subscriber = connect({
    host: "127.0.0.1",
    port: broker.port,
    clientId: "auditor",
    clean: false,
    reconnectPeriod: 50,
  });
  subscriber.on("message", (topic, payload) =>
    ledger.observe(topic.replace("fieldpost/n1/", ""), payload.toString()),
  );
  await subscriber.subscribeAsync("fieldpost/n1/#", { qos: 1 });
  folder = await configFolder(`
device: { id: n1 }
mqtt: { url: "mqtt://127.0.0.1:${broker.port}", reconnect: { min: 20ms, max: 100ms }, max_in_flight: ${WINDOW} }
telemetry: { interval: 50ms }
buffer: { path: FOLDER/outbox, max_size: 16MiB, sync_after: 200ms }
sensors:
  - { id: air, driver: bme280 }
  - { id: outside, driver: bme280, address: 0x77 }
  - { id: soil, driver: ads1115 }
`);
});

afterAll(async () => {
  await subscriber?.endAsync(true);
  await broker?.stop();
  await folder?.remove();
});

test("killed at random instants while the broker comes and goes, the node loses no record", {
  timeout: 150_000,
}, async () => {
  const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
  process.stderr.write(`no-loss: seed ${seed}\n`);
  const random = seededRandom(seed);
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

  let brokerUp = true;
  for (let kill = 0; kill < KILLS; kill++) {
    const node = startBundle(["run", "--simulate", "--config", folder.file]);
    await node.printed("fieldpost is running");
    await pause(random() * 600);
    if (random() < 0.35) {
      if (brokerUp) await broker.down();
      else await broker.restart();
      brokerUp = !brokerUp;
      await pause(random() * 400);
    }
    expect(await node.end("SIGKILL")).toMatchObject({ signal: "SIGKILL" });
  }

  if (!brokerUp) await broker.restart();
  const last: BundleProcess = startBundle(["run", "--simulate", "--config", folder.file]);
  await last.printed("fieldpost is running");
  const before = ledger.verdict().lastSeq ?? 0;
  await until(
    () => (ledger.verdict().lastSeq ?? 0) > before + 20 && ledger.verdict().lost === 0,
    30_000,
  ).catch(() => {});
  expect(await last.end("SIGTERM")).toMatchObject({ code: 0 });

  const verdict = ledger.verdict();
  const { received, boots, duplicates } = verdict;
  process.stderr.write(`no-loss: ${received} records over ${boots} runs, ${duplicates} duplicates\n`);
  expect(verdict.missing).toEqual([]);
  expect(verdict).toMatchObject({ lost: 0, dropped: 0, skipped: 0, firstSeq: 1, boots: KILLS + 1 });
  expect(verdict.received).toBeGreaterThan(KILLS * 5);
  expect(verdict.duplicates).toBeLessThanOrEqual(WINDOW * (KILLS + 40));
});

async function until(condition: () => boolean, timeoutMs: number): Promise<void> {
  const deadlineMs = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > deadlineMs) throw new Error("the condition did not come true in time");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
