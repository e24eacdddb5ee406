import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "mqtt";
import { describe, expect, test } from "vitest";
import { Ledger } from "../../src/audit/ledger.ts";
import { seededRandom } from "../../src/device/random.ts";
import { startMosquitto } from "../broker/mosquitto.ts";
import { howMany, SEED } from "../exhaustive.ts";
import { configFolder, startBundle } from "./bundle.ts";

const KILLS = howMany(12, 30);
const WINDOW = 64;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe.concurrent("killed at random instants while the broker comes and goes, the node loses no record", () => {
  test("with its outbox on a disk", () => losesNoRecord());

  test("with the youngest records in a tail on a tmpfs", async () => {
    const tail = mkdtempSync("/dev/shm/fieldpost-test-");
    try {
      await losesNoRecord(tail);
    } finally {
      rmSync(tail, { recursive: true });
    }
  });
});

async function losesNoRecord(tail?: string): Promise<void> {
  const scene = await setUp(tail);
  try {
    await killAndCount(tail ? "no-loss with a tail" : "no-loss", scene);
  } finally {
    await scene.remove();
  }
}

async function killAndCount(name: string, { broker, ledger, config }: Scene): Promise<void> {
  process.stderr.write(`${name}: seed ${SEED}\n`);
  const random = seededRandom(SEED);
  const run = () => startBundle(["run", "--simulate", "--config", config]);

  let brokerUp = true;
  for (let kill = 0; kill < KILLS; kill++) {
    const node = run();
    await node.printed("fieldpost is running", 30_000);
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
  const last = run();
  await last.printed("fieldpost is running", 30_000);
  // Behind the backlog of the runs before.
  await until(() => ledger.verdict().boots > KILLS, 30_000).catch(() => {});
  const before = ledger.verdict().lastSeq ?? 0;
  await until(
    () => (ledger.verdict().lastSeq ?? 0) > before + 20 && ledger.verdict().lost === 0,
    30_000,
  ).catch(() => {});
  expect(await last.end("SIGTERM")).toMatchObject({ code: 0 });
  expect(last.stderr()).not.toContain('"level":"warn"');

  const verdict = ledger.verdict();
  const { received, boots, duplicates } = verdict;
  process.stderr.write(`${name}: ${received} records over ${boots} runs, ${duplicates} duplicates\n`);
  expect(verdict.missing).toEqual([]);
  expect(verdict).toMatchObject({ lost: 0, dropped: 0, skipped: 0, firstSeq: 1, boots: KILLS + 1 });
  expect(verdict.received).toBeGreaterThan(KILLS * 5);
  expect(verdict.duplicates).toBeLessThanOrEqual(WINDOW * (KILLS + 40));
}

/** A broker that keeps what it acknowledged over its own restarts, so that every gap would be the node's; and who listens. */
async function setUp(tail: string | undefined) {
  const ledger = new Ledger("n1");
  const broker = await startMosquitto({
    persistence: true,
    extra: ["max_queued_messages 0", `max_inflight_messages ${WINDOW}`],
  });
  const subscriber = connect({
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
  const folder = await configFolder(`
device: { id: n1 }
mqtt: { url: "mqtt://127.0.0.1:${broker.port}", reconnect: { min: 20ms, max: 100ms }, max_in_flight: ${WINDOW} }
telemetry: { interval: 50ms }
buffer: { path: FOLDER/outbox, max_size: 16MiB, sync_after: 200ms${tail ? `, tail: ${tail}` : ""} }
sensors:
  - { id: air, driver: bme280 }
  - { id: outside, driver: bme280, address: 0x77 }
  - { id: soil, driver: ads1115 }
`);
  return {
    broker,
    ledger,
    config: folder.file,
    async remove() {
      await subscriber.endAsync(true);
      await broker.stop();
      await folder.remove();
    },
  };
}

type Scene = Awaited<ReturnType<typeof setUp>>;

async function until(condition: () => boolean, timeoutMs: number): Promise<void> {
  const deadlineMs = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > deadlineMs) throw new Error("the condition did not come true in time");
    await pause(20);
  }
}
