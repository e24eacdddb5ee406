import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { connectAsync, type MqttClient } from "mqtt";
import { DeviceDiscovery, HomieDeviceManager } from "node-homie";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type StartedNode, startNode } from "../../src/node/start.ts";
import { type Mosquitto, startMosquitto } from "../broker/mosquitto.ts";
import { startProxy } from "../broker/proxy.ts";
import { until } from "../mqtt/field-node.ts";

const ROOT = "homie/5/n1";

let broker: Mosquitto;
let proxy: Awaited<ReturnType<typeof startProxy>>;
let folder: string;
let watcher: MqttClient;
let node: StartedNode | undefined;
/** Everything below the device's topic, as it came. */
let heard: { readonly topic: string; readonly payload: string; readonly retain: boolean }[];

beforeEach(async () => {
  broker = await startMosquitto();
  proxy = await startProxy(broker.port);
  folder = await mkdtemp(join(tmpdir(), "fieldpost-homie-"));
  heard = [];
  watcher = await connectAsync({
    host: "127.0.0.1",
    port: broker.port,
    protocolVersion: 5,
    reconnectPeriod: 50,
  });
  watcher.on("message", (topic, payload, { retain }) =>
    heard.push({ topic: topic.slice(ROOT.length + 1), payload: payload.toString(), retain }),
  );
  await watcher.subscribeAsync(`${ROOT}/#`, { qos: 1, rap: true });
});

afterEach(async () => {
  await node?.stop();
  node = undefined;
  await watcher.endAsync(true);
  await proxy.close();
  await broker.stop();
  await rm(folder, { recursive: true, force: true });
});

async function start(pump = ""): Promise<void> {
  const file = join(folder, "fieldpost.yaml");
  await writeFile(
    file,
    `device: { id: n1, name: North }
mqtt: { url: "mqtt://127.0.0.1:${proxy.port}", convention: homie5, keepalive: 1s, reconnect: { min: 20ms, max: 100ms } }
telemetry: { interval: 200ms }
buffer: { path: ${folder}/outbox, max_size: 16MiB }
sensors: [{ id: Air_1, driver: sht4x }]
actuators: [{ id: pump, driver: digital_output, pin: 22${pump} }]
`,
  );
  node = await startNode({ config: file, simulate: true });
  await until(() => said("$state").at(-1) === "ready", 10_000, "ready");
}

const said = (topic: string) =>
  heard.filter((message) => message.topic === topic).map(({ payload }) => payload);
const seqs = () =>
  heard
    .filter(({ topic }) => topic === "air-1/reading" || topic === "node/event")
    .map(({ payload }) => JSON.parse(payload).seq as number);

describe("a node with mqtt.convention: homie5", () => {
  test("is found, understood and commanded by a public Homie 5 library", async () => {
    await start();
    const discovery = new DeviceDiscovery({ url: `mqtt://127.0.0.1:${broker.port}` });
    const devices = new HomieDeviceManager();
    discovery.events$.subscribe((event) => {
      if (event.type === "add" && !devices.hasDevice(event.deviceId))
        devices.add(event.makeDevice())?.onInit();
    });
    discovery.onInit();
    const property = (of: string, name: string) => devices.getDevice("n1")?.get(of)?.get(name);
    try {
      await until(() => property("air-1", "temperature")?.value !== undefined, 10_000, "a temperature");
      expect(Number(property("air-1", "temperature")!.value)).toBeGreaterThan(-40);
      expect(property("air-1", "temperature")!.attributes).toMatchObject({ datatype: "float", unit: "°C" });
      await until(() => property("pump", "state")?.value !== undefined, 5_000, "a state");
      expect(property("pump", "state")!.attributes).toMatchObject({ datatype: "boolean", settable: true });
      await watcher.publishAsync(`${ROOT}/pump/state/set`, "true", { qos: 2 });
      await until(() => property("pump", "state")?.value === "true", 5_000, "the pump on");
    } finally {
      await discovery.onDestroy();
      await devices.onDestroy();
    }
  });

  test("says init, its description, its values and ready, in this order, and disconnected at the end", async () => {
    await start();
    await until(() => said("node/event").length > 0, 5_000, "an event");
    const order = heard.map(({ topic, payload }) => (topic === "$state" ? payload : topic));
    expect(order.slice(0, 2)).toEqual(["init", "$description"]);
    expect(order.indexOf("pump/state")).toBeLessThan(order.indexOf("ready"));
    expect(order.indexOf("node/event")).toBeGreaterThan(order.indexOf("ready"));
    await node!.stop();
    node = undefined;
    await until(() => said("$state").at(-1) === "disconnected", 5_000, "the farewell");
    expect(heard.findLast(({ topic }) => topic === "$state")).toMatchObject({ retain: true });
  });

  test("loses no record over a broker that is killed, which gets back all that it retained", async () => {
    await start();
    await until(() => seqs().length > 3, 5_000, "readings");
    await broker.kill();
    await pause(1_500);
    await broker.restart();
    await until(() => said("$state").filter((state) => state === "ready").length > 1, 10_000, "ready again");
    await watcher.subscribeAsync(`${ROOT}/#`, { qos: 1 });
    const last = Math.max(...seqs());
    await until(() => Math.max(...seqs()) > last + 5, 10_000, "what came behind");
    await until(
      () => new Set(seqs()).size === Math.max(...seqs()),
      10_000,
      () => `every number: ${[...new Set(seqs())].sort((a, b) => a - b)}`,
    );
  });

  test("sends again what was not acknowledged, is lost by its will meanwhile, and its values never go back in time", async () => {
    await start();
    await until(() => seqs().length > 3, 5_000, "readings");
    proxy.pubacks("swallow");
    await pause(700);
    await proxy.refuse();
    await until(() => said("$state").at(-1) === "lost", 5_000, "the will");
    await pause(1_000);
    const gone = heard.length;
    await proxy.restore();
    proxy.pubacks("pass");
    await until(() => said("$state").at(-1) === "ready", 10_000, "ready again");
    const whole = () => heard.slice(gone).filter(({ topic }) => topic === "air-1/reading");
    const old = () => whole().filter(({ payload }) => JSON.parse(payload).historical);
    await until(
      () => whole().some(({ payload }) => !JSON.parse(payload).historical),
      10_000,
      "a new reading",
    );
    expect(new Set(seqs()).size).toBe(Math.max(...seqs()));
    expect(old().length).toBeGreaterThan(2);
    // The newest of before the link's return is what was published with it; those older are not to be kept.
    expect(
      old()
        .slice(0, -1)
        .every(({ retain }) => !retain),
    ).toBe(true);
  });

  test.each(["on", "TRUE", "", "1", '{"set":"on"}', "\u0000", "x".repeat(70_000), "true "])(
    "does not move for what is no value of the property: %j",
    async (payload) => {
      await start();
      await watcher.publishAsync(`${ROOT}/pump/state/set`, payload, { qos: 1 });
      await watcher.publishAsync(`${ROOT}/pump/state/set`, "true", { qos: 1, retain: true });
      await pause(300);
      expect(said("pump/state")).toEqual(["false"]);
      await watcher.publishAsync(`${ROOT}/pump/state/set`, "", { qos: 1, retain: true });
    },
  );

  test("says why a guard refused", async () => {
    await start(", min_off: 1h");
    await watcher.publishAsync(`${ROOT}/pump/state/set`, "true", { qos: 1 });
    await until(() => said("$log/warn").length > 0, 5_000, "a word");
    expect(said("$log/warn")[0]).toMatch(/^pump: rejected: /);
    expect(said("pump/state")).toEqual(["false"]);
  });
});
