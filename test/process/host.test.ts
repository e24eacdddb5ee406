import { readFileSync, statfsSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Mosquitto, startMosquitto } from "../broker/mosquitto.ts";
import { type BundleProcess, configFolder, startBundle } from "./bundle.ts";
import { type Heard, type Subscriber, subscribe } from "./subscriber.ts";

let broker: Mosquitto;
let consumer: Subscriber;
let node: BundleProcess;
let folder: Awaited<ReturnType<typeof configFolder>>;
let reading: Heard;

const proc = (file: string) => readFileSync(`/proc/${file}`, "utf8");
const meminfoKiB = (key: string) =>
  Number(new RegExp(`^${key}:\\s+(\\d+) kB`, "m").exec(proc("meminfo"))?.[1]);

beforeAll(async () => {
  broker = await startMosquitto();
  consumer = await subscribe(broker.port);
  folder = await configFolder(`
device: { id: n1 }
mqtt: { url: "mqtt://127.0.0.1:${broker.port}" }
buffer: { path: FOLDER/outbox, max_size: 16MiB }
sensors:
  - { id: me, driver: host, interval: 200ms }
`);
  node = startBundle(["run", "--config", folder.file]);
  reading = await consumer.hear("telemetry/me", () => true);
  expect(node.child.exitCode).toBeNull();
});

afterAll(async () => {
  await node.end("SIGTERM");
  await consumer.end();
  await broker.stop();
  await folder.remove();
});

test("the host's uptime is the kernel's", () => {
  const [uptime] = proc("uptime").split(" ").map(Number);
  expect(Math.abs(reading.json.uptime - uptime!)).toBeLessThan(15);
});

test("the host's load is the kernel's one-minute average", async () => {
  const { json } = consumer.heard.findLast(({ topic }) => topic === "telemetry/me")!;
  const [load] = proc("loadavg").split(" ").map(Number);
  expect(Math.abs(json.load_1m - load!)).toBeLessThan(Math.max(1, load! * 0.5));
});

test("the host's memory is what the kernel counts", async () => {
  const { json } = consumer.heard.findLast(({ topic }) => topic === "telemetry/me")!;
  const used = 100 * (1 - meminfoKiB("MemAvailable") / meminfoKiB("MemTotal"));
  expect(Math.abs(json.memory_used - used)).toBeLessThan(5);
});

test("the host's free disk is what the file system says", () => {
  const { bavail, blocks } = statfsSync("/");
  expect(Math.abs(reading.json.disk_free - (100 * bavail) / blocks)).toBeLessThan(2);
});

test("the time of the reading is the time it was taken", () => {
  expect(Math.abs(new Date(reading.json.time).getTime() - Date.now())).toBeLessThan(60_000);
});

test("the node tells what it runs on", async () => {
  const { json } = await consumer.hear("about");
  expect(json).toMatchObject({ device: { id: "n1" }, sensors: { me: { driver: "host" } } });
  expect(json.sensors.me.fields.memory_used).toMatchObject({ unit: "%", precision: 1 });
});
