import { mkdir, rename, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Mosquitto, startMosquitto } from "../broker/mosquitto.ts";
import { type BundleProcess, configFolder, startBundle } from "./bundle.ts";
import { type Subscriber, subscribe } from "./subscriber.ts";

const STOP_LIMIT_MS = 5_000;

const yaml = (port: number, more = "") => `
device: { id: n1 }
mqtt: { url: "mqtt://127.0.0.1:${port}", reconnect: { min: 50ms, max: 200ms } }
telemetry: { interval: 100ms }
buffer: { path: FOLDER/outbox, max_size: 16MiB }
sensors:
  - { id: air, driver: bme280 }
${more}
actuators:
  - { id: pump, driver: digital_output, pin: 22 }
`;

let broker: Mosquitto;
let consumer: Subscriber;
let node: BundleProcess | undefined;
let folder: Awaited<ReturnType<typeof configFolder>>;

const run = () => startBundle(["run", "--simulate", "--config", folder.file]);

beforeEach(async () => {
  broker = await startMosquitto();
  consumer = await subscribe(broker.port);
  folder = await configFolder(yaml(broker.port));
});

afterEach(async () => {
  await node?.end("SIGKILL");
  node = undefined;
  await consumer.end();
  await broker.stop();
  await folder.remove();
});

test("a node that cannot have its outbox says which folder it wanted, by which setting, and why", async () => {
  await mkdir(`${folder.folder}/outbox/lock`, { recursive: true });
  node = run();
  expect(await node.exited).toEqual({ code: 1, signal: null });
  expect(node.stderr()).toContain(`buffer.path: cannot use ${folder.folder}/outbox: EISDIR`);
});

async function stopTimed(process: BundleProcess): Promise<number> {
  const startMs = Date.now();
  expect(await process.end("SIGTERM")).toEqual({ code: 0, signal: null });
  return Date.now() - startMs;
}

async function switchPumpOn(): Promise<void> {
  await consumer.publish("command/pump", '{"id":"on-1","set":"on"}');
  await consumer.hear("result/pump", ({ json }) => json.status === "done" && json.state === "on");
}

describe("SIGTERM", () => {
  test("with a broker makes the outputs safe, says offline and exits with 0", async () => {
    node = run();
    await consumer.hear("status", ({ payload }) => payload === "online");
    await switchPumpOn();
    expect(await stopTimed(node)).toBeLessThan(STOP_LIMIT_MS);
    await consumer.hear("state/pump", ({ json }) => json?.state === "off" && json.cause === "failsafe");
    await consumer.hear("event/actuator", ({ json }) => json.state === "off" && json.cause === "failsafe");
    await consumer.hear("status", ({ payload }) => payload === "offline");
    expect(consumer.ledger.verdict()).toMatchObject({ lost: 0, duplicates: 0 });
  });

  test("without a broker does the same in time, and the next run tells of it", async () => {
    node = run();
    await consumer.hear("status", ({ payload }) => payload === "online");
    await switchPumpOn();
    await broker.down();
    await node.printed("lost the broker");
    expect(await stopTimed(node)).toBeLessThan(STOP_LIMIT_MS);
    await broker.restart();
    node = run();
    const off = await consumer.hear(
      "event/actuator",
      ({ json }) => json.state === "off" && json.cause === "failsafe",
    );
    const boot = await consumer.hear("event/boot", ({ json }) => json.boot === 2);
    expect(boot.json).toMatchObject({ reason: "clean" });
    expect(off.json.seq).toBeLessThan(boot.json.seq);
    expect(off.json.historical).toBe(true);
  });

  test("before a broker that accepts and never answers still exits with 0 in time", async () => {
    const blackHole: Server = createServer(() => {});
    await new Promise<void>((resolve) => blackHole.listen(0, "127.0.0.1", resolve));
    const { port } = blackHole.address() as { port: number };
    await writeFile(folder.file, yaml(port).replaceAll("FOLDER", folder.folder));
    node = run();
    await node.printed("fieldpost is running");
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await stopTimed(node)).toBeLessThan(STOP_LIMIT_MS);
    blackHole.close();
  });
});

test("a command that is published to be retained is refused, also while the node listens", async () => {
  node = run();
  await consumer.hear("status", ({ payload }) => payload === "online");
  const topic = "fieldpost/n1/command/pump";
  await consumer.client.publishAsync(topic, '{"id":"kept","set":"on"}', { qos: 1, retain: true });
  const { json } = await consumer.hear("result/pump", ({ json }) => json.id === "kept");
  expect(json).toMatchObject({ status: "rejected", state: "off" });
  await consumer.client.publishAsync(topic, "", { qos: 1, retain: true });
});

describe("SIGHUP", () => {
  test("lets a good configuration take effect, loses no record and leaves the outputs alone", async () => {
    node = run();
    await consumer.hear("telemetry/air");
    await switchPumpOn();
    const heardBefore = consumer.heard.length;
    const more = "  - { id: soil, driver: ads1115 }";
    await writeFile(folder.file, yaml(broker.port, more).replaceAll("FOLDER", folder.folder));
    node.child.kill("SIGHUP");
    await consumer.hear("telemetry/soil");
    const last = await consumer.hear(
      "telemetry/air",
      ({ json }) => json.seq > consumer.ledger.verdict().firstSeq! + 20,
    );
    expect(last).toBeDefined();
    const after = consumer.heard.slice(heardBefore);
    expect(after.filter(({ topic, json }) => topic === "event/actuator" && json.actuator === "pump")).toEqual(
      [],
    );
    await consumer.publish("command/pump", '{"id":"toggle-1","set":"toggle"}');
    await consumer.hear("result/pump", ({ json }) => json.id === "toggle-1" && json.state === "off");
    expect(consumer.ledger.verdict()).toMatchObject({ lost: 0, duplicates: 0 });
  });

  test("followed at once by SIGTERM ends the node, with its outputs safe", async () => {
    const eager = yaml(broker.port).replace("pin: 22", "pin: 22, initial: on, safe: off");
    await writeFile(folder.file, eager.replaceAll("FOLDER", folder.folder));
    for (const signals of [
      ["SIGHUP", "SIGTERM"],
      ["SIGTERM", "SIGHUP"],
    ] as const) {
      node = run();
      await node.printed("connected to the broker");
      await writeFile(folder.file, eager.replace("pin: 22", "pin: 24").replaceAll("FOLDER", folder.folder));
      for (const signal of signals) node.child.kill(signal);
      expect(await node.exited).toEqual({ code: 0, signal: null });
      await new Promise((resolve) => setTimeout(resolve, 200));
      const states = consumer.heard.filter(({ topic }) => topic === "state/pump");
      expect(states.at(-1)?.json).toMatchObject({ state: "off", cause: "failsafe" });
    }
  });

  test("many times over is one reload more, not as many", async () => {
    node = run();
    await consumer.hear("telemetry/air");
    for (let n = 0; n < 100; n++) node.child.kill("SIGHUP");
    await node.printed("the new configuration has taken effect");
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await stopTimed(node)).toBeLessThan(STOP_LIMIT_MS);
    expect(node.stderr().match(/the new configuration has taken effect/g)!.length).toBeLessThan(20);
  });

  test("that can neither go on nor back ends the process with 1, with its outputs safe", async () => {
    node = run();
    await consumer.hear("telemetry/air");
    await switchPumpOn();
    await rename(`${folder.folder}/outbox`, `${folder.folder}/gone`);
    await writeFile(`${folder.folder}/outbox`, "");
    node.child.kill("SIGHUP");
    expect(await node.exited).toEqual({ code: 1, signal: null });
    expect(node.stderr()).toContain("buffer.path: cannot use");
    expect(node.stderr()).not.toContain("the old one goes on");
  });

  test("refuses a wrong configuration, says what is wrong, and the old one goes on", async () => {
    node = run();
    await consumer.hear("telemetry/air");
    await writeFile(
      folder.file,
      yaml(broker.port, "  - { id: air, driver: bme999 }").replaceAll("FOLDER", folder.folder),
    );
    node.child.kill("SIGHUP");
    await node.printed("the new configuration is refused; the old one goes on");
    expect(node.stderr()).toContain("bme999");
    const seen = consumer.ledger.verdict().lastSeq!;
    await consumer.hear("telemetry/air", ({ json }) => json.seq > seen + 5);
    expect(consumer.ledger.verdict()).toMatchObject({ lost: 0, boots: 1 });
  });
});
