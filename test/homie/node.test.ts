import { setTimeout as pause } from "node:timers/promises";
import { DeviceDiscovery, HomieDeviceManager } from "node-homie";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { retainedUnder, until } from "../mqtt/field-node.ts";
import { type HomieRig, ROOT, startHomieRig } from "./homie-node.ts";

interface Reading {
  readonly seq: number;
  readonly temperature: number;
  readonly historical?: true;
}

let rig: HomieRig;

beforeEach(async () => {
  rig = await startHomieRig();
});

afterEach(() => rig.close());

const start = (pump = "", buffer = "") =>
  rig.start(
    `sensors: [{ id: Air_1, driver: sht4x }]
actuators: [{ id: pump, driver: digital_output, pin: 22${pump} }]`,
    buffer,
  );
const said = (topic: string) => rig.said(topic);
const seqs = () => rig.seqs();

describe("a node with mqtt.convention: homie5", () => {
  test("is found, understood and commanded by a public Homie 5 library", async () => {
    await start();
    const discovery = new DeviceDiscovery({ url: `mqtt://127.0.0.1:${rig.broker.port}` });
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
      await rig.watcher.publishAsync(`${ROOT}/pump/state/set`, "true", { qos: 2 });
      await until(() => property("pump", "state")?.value === "true", 5_000, "the pump on");
    } finally {
      await discovery.onDestroy();
      await devices.onDestroy();
    }
  });

  test("says init, its description, its values and ready, in this order, and disconnected at the end", async () => {
    await start();
    await until(() => said("node/event").length > 0, 5_000, "an event");
    const order = rig.heard.map(({ topic, payload }) => (topic === "$state" ? payload : topic));
    expect(order.slice(0, 2)).toEqual(["init", "$description"]);
    expect(order.indexOf("pump/state")).toBeLessThan(order.indexOf("ready"));
    expect(order.indexOf("node/event")).toBeGreaterThan(order.indexOf("ready"));
    await rig.stop();
    await until(() => said("$state").at(-1) === "disconnected", 5_000, "the farewell");
    expect(rig.heard.findLast(({ topic }) => topic === "$state")).toMatchObject({ retain: true });
  });

  test("loses no record over a broker that is killed, which gets back all that it retained", async () => {
    await start();
    await until(() => seqs().length > 3, 5_000, "readings");
    await rig.broker.kill();
    await pause(1_500);
    await rig.broker.restart();
    await until(() => said("$state").filter((state) => state === "ready").length > 1, 10_000, "ready again");
    // What the node tells of itself comes with its next health, which waits for nothing.
    const kept = await vi.waitFor(
      async () => {
        const kept = await retainedUnder(ROOT, rig.broker.port);
        expect(kept["node/uptime"]).toBeDefined();
        return kept;
      },
      { timeout: 10_000, interval: 500 },
    );
    expect(kept).toMatchObject({ $state: "ready", "pump/state": "false" });
    expect(JSON.parse(kept["$description"]!)).toMatchObject({ homie: "5.0", name: "North" });
    expect(Number(kept["air-1/temperature"])).toBeGreaterThan(-40);
    expect(Number(kept["node/uptime"])).toBeGreaterThanOrEqual(0);
    await rig.watcher.subscribeAsync(`${ROOT}/#`, { qos: 1 });
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
    rig.proxy.pubacks("swallow");
    await pause(700);
    await rig.proxy.refuse();
    await until(() => said("$state").at(-1) === "lost", 5_000, "the will");
    await pause(1_000);
    const gone = rig.heard.length;
    await rig.proxy.restore();
    rig.proxy.pubacks("pass");
    await until(() => said("$state").at(-1) === "ready", 10_000, "ready again");
    const whole = () => rig.heard.slice(gone).filter(({ topic }) => topic === "air-1/reading");
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

  test("with live_first shows what is new while what waited comes beside it", async () => {
    await start("", ", replay: { order: live_first, rate: 5 }");
    await until(() => seqs().length > 3, 5_000, "readings");
    await rig.proxy.refuse();
    await until(() => said("$state").at(-1) === "lost", 5_000, "the will");
    await pause(2_000);
    const gone = rig.heard.length;
    await rig.proxy.restore();
    const isWhole = () => new Set(seqs()).size === Math.max(...seqs());
    await until(
      () => seqs().length > 20 && isWhole(),
      15_000,
      () => `every number: ${seqs()}`,
    );
    const readings = rig.heard
      .slice(gone)
      .filter(({ topic }) => topic === "air-1/reading")
      .map(({ payload, retain }) => ({ ...(JSON.parse(payload) as Reading), retain }));
    const lastOld = readings.findLastIndex(({ historical }) => historical);
    const shown = readings.filter(({ retain }) => retain);
    // They came mixed, and what is shown goes forward all the same.
    expect(readings.findIndex(({ retain }) => retain)).toBeLessThan(lastOld);
    expect(readings.filter(({ retain }) => !retain).length).toBeGreaterThan(3);
    expect(shown.map(({ seq }) => seq)).toEqual(
      shown.map(({ seq }) => seq).sort((one, other) => one - other),
    );
    // The first value is what was measured last when the link came.
    const [, ...values] = rig.heard.slice(gone).filter(({ topic }) => topic === "air-1/temperature");
    const all = Math.min(values.length, shown.length);
    expect(all).toBeGreaterThan(3);
    expect(values.slice(0, all).map(({ payload }) => Number(payload))).toEqual(
      shown.slice(0, all).map(({ temperature }) => temperature),
    );
  });

  test.each(["on", "TRUE", "", "1", '{"set":"on"}', "\u0000", "x".repeat(70_000), "true "])(
    "does not move for what is no value of the property: %j",
    async (payload) => {
      await start();
      await rig.set("pump/state", payload);
      await rig.set("pump/state", "true", true);
      await pause(300);
      expect(said("pump/state")).toEqual(["false"]);
      await rig.set("pump/state", "", true);
    },
  );

  test("says why a guard refused", async () => {
    await start(", min_off: 1h");
    await rig.set("pump/state", "true");
    await until(() => said("$log/warn").length > 0, 5_000, "a word");
    expect(said("$log/warn")[0]).toMatch(/^pump: rejected: \S/);
    expect(said("pump/state")).toEqual(["false"]);
  });
});
