import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defineDriver, type Messages, type Simulation, simulate } from "../../src/index.ts";
import type { Log } from "../../src/log.ts";
import { openSensor } from "../../src/node/sensors.ts";

const CONFIG = `
device: { id: n1 }
mqtt: { url: mqtt://broker.example, reconnect: { min: 1s, max: 1s } }
sensors: [{ id: probe, driver: probe, interval: 5s }]
`;
const WITHOUT = CONFIG.replace("{ id: probe, driver: probe, interval: 5s }", "{ id: pi, driver: host }");

let sim: Simulation;
let heard: string[];
let told: string[];
let errors: string[];
let opened: Messages[];
let read: () => Promise<{ value: number }>;

const probe = defineDriver({
  name: "probe",
  chip: "none",
  description: "talks",
  datasheet: "this test",
  bus: "host",
  fields: { value: { unit: "", precision: 0 } },
  options: {},
  async open(_host, _options, _clock, messages) {
    const opening = opened.push(messages);
    messages.onConnect(() => void told.push(`connected ${opening}`));
    messages.onConnectionLost(() => void told.push(`lost ${opening}`));
    await messages.subscribe("ask", async ({ payload }) => {
      const text = Buffer.from(payload).toString();
      heard.push(`${opening} ${text}`);
      if (text === "throw") throw new Error("mine");
      await messages.publish("answer", text, { qos: 1 });
    });
    return { read: () => read() };
  },
});

const log = Object.fromEntries(
  ["debug", "info", "warn", "error"].map((level) => [
    level,
    (text: string) => void (level === "error" && errors.push(text)),
  ]),
) as unknown as Log;

const ask = async (text: string) => {
  await sim.broker.publish("ask", text);
  await sim.advance("1s");
};
const answers = () => sim.broker.messages("answer").map(({ payload }) => payload);

describe("a driver of one's own", () => {
  beforeEach(async () => {
    [heard, told, errors, opened] = [[], [], [], []];
    read = async () => ({ value: 1 });
    sim = await simulate({ config: CONFIG, drivers: [probe], log });
    await sim.advance("10s");
  });
  afterEach(() => sim.stop());

  test("hears what it subscribed to and answers", async () => {
    await ask("a");
    expect(heard).toEqual(["1 a"]);
    expect(answers()).toEqual(["a"]);
  });

  test("is told of the connection, and what it buffers meanwhile arrives", async () => {
    told = [];
    sim.broker.cut();
    await sim.advance("1s");
    await expect(opened[0]!.publish("note", "now")).rejects.toThrow("buffered");
    await opened[0]!.publish("note", "later", { buffered: true, retain: true });
    await sim.advance("5s");
    sim.broker.restore();
    await sim.advance("10s");
    expect(told).toEqual(["lost 1", "connected 1"]);
    expect(sim.broker.messages("note")).toMatchObject([{ payload: "later", retain: true }]);
    await ask("still there");
    expect(heard).toEqual(["1 still there"]);
  });

  test("whose handler throws is logged, and goes on", async () => {
    await ask("throw");
    await ask("b");
    expect(errors).toContain("a message handler failed");
    expect(answers()).toEqual(["b"]);
  });

  test("whose listener throws, now or later, is logged, and so is a refused publish that nobody awaits", async () => {
    opened[0]!.onConnectionLost(() => {
      throw new Error("mine");
    });
    opened[0]!.onConnectionLost(() => Promise.reject(new Error("mine too")) as never);
    sim.broker.cut();
    await sim.advance("1s");
    void opened[0]!.publish("note", "nobody looks");
    sim.broker.restore();
    await sim.advance("10s");
    expect(errors.filter((text) => text === "a connection listener failed")).toHaveLength(2);
  });

  test("that is opened again after a fault is subscribed and told once", async () => {
    read = () => Promise.reject(new Error("broken"));
    await sim.advance("6s");
    read = async () => ({ value: 2 });
    await sim.advance("30s");
    const now = opened.length;
    expect(now).toBeGreaterThan(1);
    told = [];
    await ask("c");
    expect(heard).toEqual([`${now} c`]);
    sim.broker.cut();
    await sim.advance("1s");
    sim.broker.restore();
    await sim.advance("10s");
    expect(told).toEqual([`lost ${now}`, `connected ${now}`]);
    await expect(opened[0]!.publish("note", "from the grave", { buffered: true })).rejects.toThrow("closed");
  });

  test("hears nothing between a fault and the next opening, also where its read hangs", async () => {
    read = () => new Promise(() => {});
    await sim.advance("30s");
    await ask("d");
    expect(heard).toEqual([]);
  });

  test("that a new configuration keeps is subscribed once; one that it removes no longer", async () => {
    await sim.reload(CONFIG.replace("5s", "7s"));
    await sim.advance("10s");
    await ask("e");
    expect(heard).toEqual(["2 e"]);
    await sim.reload(WITHOUT);
    await sim.advance("10s");
    await ask("f");
    expect(heard).toEqual(["2 e"]);
  });

  test.each(["clean", "kill", "power_cut"] as const)(
    "is subscribed once after a restart (%s)",
    async (ending) => {
      await sim.restart(ending);
      await sim.advance("30s");
      await ask("r");
      expect(heard).toEqual(["2 r"]);
    },
  );

  test("cannot end what others subscribed to", async () => {
    const mine: string[] = [];
    await sim.clock.run(sim.user.subscribe("ask", () => void mine.push("mine")));
    await sim.clock.run(opened[0]!.unsubscribe("ask"));
    await ask("g");
    expect([heard, mine]).toEqual([[], ["mine"]]);
  });

  test("opens where no node runs, and is told so when it publishes", async () => {
    await openSensor(sim.board, sim.config.sensors[0]!, sim.clock);
    await expect(opened.at(-1)!.publish("note", "x", { buffered: true })).rejects.toThrow(
      "no node runs here",
    );
  });
});
