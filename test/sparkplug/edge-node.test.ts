import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type StartedNode, startNode } from "../../src/node/start.ts";
import { type Mosquitto, startMosquitto } from "../broker/mosquitto.ts";
import { startProxy } from "../broker/proxy.ts";
import { until } from "../mqtt/field-node.ts";
import { startHost } from "./host.ts";

const PATIENCE_MS = 20_000;

describe("a node as a Sparkplug edge node, with mosquitto", { timeout: 90_000 }, () => {
  let broker: Mosquitto;
  let folder: string;
  const ends: (() => Promise<unknown>)[] = [];

  beforeEach(async () => {
    broker = await startMosquitto();
    folder = await mkdtemp(join(tmpdir(), "fieldpost-sparkplug-"));
  });
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end().catch(() => {});
    await broker.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function host() {
    const started = await startHost(`mqtt://127.0.0.1:${broker.port}`, "plant", "n1");
    ends.push(started.stop);
    return started;
  }

  async function node(more = "", port = broker.port, rest = ""): Promise<StartedNode> {
    const file = join(folder, "fieldpost.yaml");
    await writeFile(
      file,
      `device: { id: n1 }
mqtt:
  url: mqtt://127.0.0.1:${port}
  reconnect: { min: 100ms, max: 300ms }
  convention: sparkplug_b
  sparkplug: { group: plant${more} }
buffer: { path: ${join(folder, "outbox")} }
sensors: [{ id: air, driver: bme280, interval: 200ms }]
actuators: [{ id: pump, driver: digital_output, pin: 22 }]
${rest}
`,
    );
    const started = await startNode({ config: file, simulate: true });
    ends.push(() => started.stop());
    return started;
  }

  const seqs = (from: Awaited<ReturnType<typeof host>>) =>
    new Set(
      [from.values("air", "seq"), from.values("pump", "seq"), from.values(undefined, "seq")]
        .flat()
        .map(({ value }) => Number(value)),
    );

  test("is born with its devices, tells readings by alias, and dies by its own word when it stops", async () => {
    const scada = await host();
    const started = await node();
    await until(() => scada.values("air", "temperature").length >= 3, PATIENCE_MS, "readings");
    expect(scada.heard.slice(0, 3).map(({ verb, device }) => `${verb} ${device ?? ""}`)).toEqual([
      "NBIRTH ",
      "DBIRTH air",
      "DBIRTH pump",
    ]);
    const [nodeBirth, airBirth] = scada.heard;
    expect(nodeBirth?.metrics.find(({ name }) => name === "Node Control/Rebirth")).toMatchObject({
      type: "Boolean",
      value: false,
    });
    expect(airBirth?.metrics.find(({ name }) => name === "temperature")).toMatchObject({
      type: "Double",
      properties: { engUnit: { type: "String", value: "°C" } },
    });
    await started.stop();
    await until(() => scada.heard.at(-1)?.verb === "NDEATH", PATIENCE_MS, "the death");
    expect(scada.heard.filter(({ verb }) => verb === "NDEATH")).toHaveLength(1);
    expect(Number(scada.heard.at(-1)?.metrics[0]?.value)).toBe(0);
    expect(scada.faults).toEqual([]);
  });

  test("numbers each connection, over restarts too, and loses nothing in an outage", async () => {
    const scada = await host();
    const bdSeqs = () =>
      scada.heard
        .filter(({ verb }) => verb === "NBIRTH")
        .map(({ metrics }) => Number(metrics.find(({ name }) => name === "bdSeq")?.value));
    const proxy = await startProxy(broker.port);
    ends.push(proxy.close);
    const first = await node("", proxy.port);
    await until(() => scada.values("air", "temperature").length >= 2, PATIENCE_MS, "readings");
    await proxy.refuse();
    proxy.cut("rst");
    await until(() => scada.heard.at(-1)?.verb === "NDEATH", PATIENCE_MS, "the will");
    // The one of the birth that it ends.
    expect(Number(scada.heard.at(-1)?.metrics[0]?.value)).toBe(bdSeqs().at(-1));
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await proxy.restore();
    await until(
      () => scada.heard.filter(({ verb }) => verb === "NBIRTH").length >= 2,
      PATIENCE_MS,
      "a second birth",
    );
    const before = scada.values("air", "seq").length;
    await until(() => scada.values("air", "seq").length > before + 10, PATIENCE_MS, "the backlog");
    await first.stop();
    const all = [...seqs(scada)].sort((one, other) => one - other);
    expect(all).toEqual(Array.from({ length: all.length }, (_, index) => index + 1));
    expect(scada.values("air", "temperature").some(({ historical }) => historical)).toBe(true);
    await node();
    await until(() => bdSeqs().length >= 3, PATIENCE_MS, "a third birth");
    expect(scada.faults).toEqual([]);
    expect(bdSeqs()).toEqual([...bdSeqs()].sort((one, other) => one - other));
    expect(new Set(bdSeqs()).size).toBe(bdSeqs().length);
  });

  test("is born anew on demand, with the same number of the connection", async () => {
    const scada = await host();
    await node();
    await until(() => scada.values("air", "temperature").length >= 1, PATIENCE_MS, "a reading");
    await scada.command("spBv1.0/plant/NCMD/n1", [
      { name: "Node Control/Rebirth", type: "Boolean", value: true },
    ]);
    await until(
      () => scada.heard.filter(({ verb }) => verb === "NBIRTH").length === 2,
      PATIENCE_MS,
      "a rebirth",
    );
    const numbers = scada.heard
      .filter(({ verb }) => verb === "NBIRTH")
      .map(({ metrics }) => Number(metrics.find(({ name }) => name === "bdSeq")?.value));
    expect(numbers).toEqual([0, 0]);
    await until(() => scada.heard.at(-1)?.verb === "DDATA", PATIENCE_MS, "data after it");
    expect(scada.faults).toEqual([]);
  });

  test("moves an actuator through its guard on DCMD, and not on what is damaged or not its metric", async () => {
    const scada = await host();
    const { guard } = await node();
    await until(() => scada.heard.some(({ device }) => device === "pump"), PATIENCE_MS, "a birth");
    const topic = "spBv1.0/plant/DCMD/n1/pump";
    await scada.command(topic, [{ name: "on", type: "Boolean", value: true }]);
    await until(() => guard.state("pump")?.value === "on", PATIENCE_MS, "on");
    await until(
      () => scada.values("pump", "on").some(({ value }) => value === true),
      PATIENCE_MS,
      "the new state",
    );
    for (const metric of [
      { name: "on", type: "Int32", value: 0 },
      { name: "off", type: "Boolean", value: true },
      { name: "state", type: "Boolean", value: false },
    ])
      await scada.command(topic, [metric]);
    for (const bytes of [[0x12, 0xff], [0x12, 4, 10, 2], [], [0x0f], [0x12, 3, 0x70, 0]])
      await scada.client.publishAsync(topic, Buffer.from(bytes));
    const events = scada.values("air", "seq").length;
    await until(() => scada.values("air", "seq").length > events + 2, PATIENCE_MS, "life goes on");
    expect(guard.state("pump")?.value).toBe("on");
    expect(scada.faults).toEqual([]);
  });

  test("lets a sensor die that fails, and bears it again with its first reading", async () => {
    const scada = await host();
    await node(
      "",
      broker.port,
      "simulation: { faults: [{ sensor: air, fault: no_ack, after: 2s, for: 4s }] }",
    );
    const verbs = () => scada.heard.filter(({ device }) => device === "air").map(({ verb }) => verb);
    await until(() => verbs().at(-1) === "DDEATH", PATIENCE_MS, "the death of the device");
    await until(
      () => verbs().filter((verb) => verb === "DBIRTH").length === 2,
      PATIENCE_MS,
      "its second birth",
    );
    await until(() => verbs().at(-1) === "DDATA", PATIENCE_MS, "data after it");
    expect(scada.values(undefined, "Events/sensor").length).toBeGreaterThanOrEqual(2);
    expect(scada.heard.some(({ verb }) => verb === "NDEATH")).toBe(false);
    expect(scada.faults).toEqual([]);
  });

  test("does not let itself be driven to a flood of births", async () => {
    const scada = await host();
    await node();
    await until(() => scada.values("air", "seq").length >= 1, PATIENCE_MS, "a reading");
    for (let count = 0; count < 200; count++)
      await scada.command("spBv1.0/plant/NCMD/n1", [
        { name: "Node Control/Rebirth", type: "Boolean", value: true },
      ]);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const births = scada.heard.filter(({ verb }) => verb === "NBIRTH").length;
    expect(births).toBeGreaterThan(1);
    expect(births).toBeLessThan(10);
    expect(scada.faults).toEqual([]);
  });

  test("says nothing while its primary host is offline, and everything when it is back", async () => {
    const scada = await host();
    await scada.state("scada", false, 1_000);
    await node(", primary_host: scada");
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(scada.heard).toEqual([]);
    await scada.state("scada", true, 2_000);
    await until(() => scada.values("air", "seq").length >= 5, PATIENCE_MS, "readings");
    await scada.state("scada", false, 1_500);
    await scada.state("scada", false, 3_000);
    await until(() => scada.heard.at(-1)?.verb === "NDEATH", PATIENCE_MS, "the death");
    const said = scada.heard.length;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(scada.heard.length).toBe(said);
    await scada.state("scada", true, 4_000);
    await until(
      () => scada.heard.filter(({ verb }) => verb === "NBIRTH").length === 2,
      PATIENCE_MS,
      "a birth",
    );
    const before = scada.values("air", "seq").length;
    await until(() => scada.values("air", "seq").length > before + 3, PATIENCE_MS, "the backlog");
    const all = [...seqs(scada)].sort((one, other) => one - other);
    expect(all).toEqual(Array.from({ length: all.length }, (_, index) => index + 1));
    expect(scada.faults).toEqual([]);
  });
});
