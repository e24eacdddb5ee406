import { afterEach, describe, expect, test } from "vitest";
import { type SimulateOptions, type Simulation, simulate } from "../../src/index.ts";

const GREENHOUSE = `
device: { id: n1 }
mqtt: { url: mqtt://broker.example, reconnect: { min: 1s, max: 10s } }
telemetry: { interval: 10s }
buffer: { max_size: 16MiB }
sensors:
  - { id: air, driver: bme280 }
  - { id: soil, driver: ads1115 }
actuators:
  - { id: pump, driver: digital_output, pin: 22, max_on: 10m }
  - { id: valve, driver: digital_output, pin: 23, interlock: [pump] }
`;

let sim: Simulation;
const start = async (options: Partial<SimulateOptions> = {}) => {
  sim = await simulate({ config: GREENHOUSE, ...options });
  return sim;
};
afterEach(() => sim.stop());

const seqs = () =>
  sim.messages("+/+").flatMap(({ json }) => (typeof json?.seq === "number" ? [json.seq] : []));

describe("a whole node", () => {
  test("sends its boot record first, then each reading in order, numbered without a gap", async () => {
    await start();
    await sim.advance("1m");
    const numbers = seqs();
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, index) => index + 1));
    expect(sim.messages("event/+")[0]).toMatchObject({
      topic: "event/boot",
      json: { seq: 1, boot: 1, reason: "first" },
    });
    expect(sim.retained("status")).toBe("online");
    expect(JSON.parse(sim.retained("about")!)).toMatchObject({
      device: { id: "n1" },
      actuators: { pump: { safe: "off" } },
    });
    expect(JSON.parse(sim.retained("state/pump")!)).toMatchObject({ state: "off", cause: "boot" });
  });

  test("replays an hour bit for bit from its seed", async () => {
    const hour = async (seed: number) => {
      await start({ seed });
      await sim.advance("1h");
      const messages = sim.messages("telemetry/+").map(({ topic, payload }) => `${topic} ${payload}`);
      await sim.stop();
      return messages;
    };
    const [one, same, other] = [await hour(7), await hour(7), await hour(8)];
    expect(one).toEqual(same);
    expect(one).not.toEqual(other);
    await start();
  });

  test("marks what was taken during an outage as historical, and only that", async () => {
    await start();
    await sim.advance("35s");
    sim.broker.cut();
    await sim.advance("5m");
    sim.broker.restore();
    await sim.advance("1m");
    const air = sim.messages("telemetry/air");
    const historical = air.filter(({ json }) => json.historical);
    expect(historical.length).toBeGreaterThanOrEqual(29);
    expect(historical.length).toBeLessThanOrEqual(32);
    expect(sim.audit()).toMatchObject({ lost: 0, duplicates: 0 });
  });

  test.each(["clean", "kill", "power_cut"] as const)(
    "goes on after a %s end without repeating a number",
    async (ending) => {
      await start();
      await sim.advance("1m");
      sim.broker.cut();
      await sim.advance("10m");
      await sim.restart(ending);
      await sim.advance("1m");
      sim.broker.restore();
      await sim.advance("2m");
      expect(sim.audit()).toMatchObject({ lost: 0, boots: 2 });
      const boot = sim.messages("event/boot").at(-1)!.json;
      expect(boot).toMatchObject({ boot: 2, reason: ending === "kill" ? "killed" : ending });
      expect("skipped" in boot).toBe(ending === "power_cut");
      // A power cut may forget what was acknowledged last: such records come again, the same under their number.
      const byNumber = new Map<number, string>();
      for (const { json, payload } of sim.messages("+/+")) {
        if (typeof json?.seq !== "number") continue;
        expect(byNumber.get(json.seq) ?? payload).toBe(payload);
        byNumber.set(json.seq, payload);
      }
      if (ending !== "power_cut") expect(byNumber.size).toBe(seqs().length);
    },
  );

  test("delivers again what the broker did not acknowledge, at most a window of it", async () => {
    await start();
    await sim.advance("20s");
    sim.broker.dropPubacks(true);
    await sim.advance("10m");
    sim.broker.dropPubacks(false);
    await sim.advance("3m");
    const { lost, duplicates } = sim.audit();
    expect(lost).toBe(0);
    expect(duplicates).toBeGreaterThan(0);
    expect(sim.node.status().outbox.depth).toBe(0);
  });

  test.each(["ENOSPC", "EROFS", "EIO"])(
    "goes on while its disk refuses everything with %s, and raises the alarm once",
    async (code) => {
      await start();
      await sim.advance("1m");
      sim.diskFault(code);
      await sim.advance("10m");
      expect(sim.node.status().outbox.fault).toContain(code);
      expect(sim.node.status().outbox.depth).toBeLessThan(3);
      sim.diskFault(undefined);
      await sim.advance("1m");
      expect(sim.node.status().outbox.fault).toBeUndefined();
      const alarms = sim.messages("event/alarm").map(({ json }) => json);
      expect(alarms).toMatchObject([
        { alarm: "outbox", active: true, error: expect.stringContaining(code) },
        { alarm: "outbox", active: false },
      ]);
      expect(sim.messages("telemetry/air").length).toBeGreaterThan(70);
      await sim.restart("kill");
      await sim.advance("1m");
      expect(sim.audit()).toMatchObject({ lost: 0, duplicates: 0, boots: 2 });
    },
  );

  test("survives a broker that hangs, one that goes silent and one that refuses", async () => {
    await start();
    for (const fault of ["hang", "halfOpen", "refuse"] as const) {
      await sim.advance("20s");
      if (fault === "refuse") {
        sim.broker.refuse(5);
        sim.broker.cut();
        sim.broker.restore();
        sim.broker.refuse(5);
      } else sim.broker[fault]();
      if (fault === "hang") {
        sim.broker.cut();
        sim.broker.restore();
        sim.broker.hang();
      }
      await sim.advance("5m");
      sim.broker.restore();
      await sim.advance("3m");
      expect(sim.node.status(), fault).toMatchObject({ link: { connected: true }, outbox: { depth: 0 } });
      expect(sim.audit().lost, fault).toBe(0);
    }
  });

  test("tells the broker again what it forgot: about, status and state", async () => {
    await start();
    await sim.advance("10s");
    await sim.broker.forget();
    sim.broker.cut();
    await sim.advance("5s");
    sim.broker.restore();
    await sim.advance("30s");
    expect(sim.retained("status")).toBe("online");
    expect(sim.retained("about")).toBeDefined();
    expect(sim.retained("state/pump")).toBeDefined();
  });

  test("does not send its description again to a broker that still has it", async () => {
    await start();
    await sim.advance("10s");
    for (let outage = 0; outage < 3; outage++) {
      sim.broker.cut();
      await sim.advance("5s");
      sim.broker.restore();
      await sim.advance("30s");
    }
    expect(sim.messages("about")).toHaveLength(1);
  });
});

describe("a reload", () => {
  const withMore = GREENHOUSE.replace("telemetry: { interval: 10s }", "telemetry: { interval: 5s }");

  test("leaves outputs alone whose configuration is the same, and goes on guarding them", async () => {
    await start();
    await sim.advance("5s");
    await sim.command("pump", "on");
    await sim.reload(withMore);
    await sim.advance("5m");
    expect(sim.retained("state/pump")).toContain('"on"');
    await sim.advance("6m");
    expect(JSON.parse(sim.retained("state/pump")!)).toMatchObject({ state: "off", cause: "timer" });
    expect(sim.audit()).toMatchObject({ lost: 0 });
  });

  test("lets no output run on whose limits would be remembered where the next process does not look", async () => {
    await start();
    await sim.advance("5s");
    await sim.command("pump", "on");
    await sim.reload(GREENHOUSE.replace("max_size: 16MiB", "max_size: 16MiB, path: /elsewhere"));
    await sim.advance("10s");
    expect(JSON.parse(sim.retained("state/pump")!)).toMatchObject({ state: "off", cause: "boot" });
  });

  test("tells a broker that has forgotten everything the states of outputs that were left alone", async () => {
    await start();
    await sim.advance("5s");
    await sim.command("pump", "on");
    await sim.broker.forget();
    await sim.reload(withMore);
    await sim.advance("30s");
    expect(JSON.parse(sim.retained("state/pump")!)).toMatchObject({ state: "on", cause: "command" });
  });

  test("moves outputs to safe and then to initial where their configuration is another", async () => {
    await start();
    await sim.advance("5s");
    await sim.command("pump", "on");
    await sim.reload(GREENHOUSE.replace("max_on: 10m", "max_on: 20m"));
    await sim.advance("10s");
    expect(JSON.parse(sim.retained("state/pump")!)).toMatchObject({ state: "off", cause: "boot" });
    const told = sim.messages("event/actuator").filter(({ json }) => json.actuator === "pump");
    expect(told.map(({ json }) => json.cause)).toEqual(["boot", "command", "failsafe", "boot"]);
  });
});

test("a fail-safe is told as such, with its reason", async () => {
  await start({ config: GREENHOUSE.replace("max_on: 10m", "offline_after: 1m") });
  await sim.advance("5s");
  await sim.command("pump", "on");
  sim.broker.cut();
  await sim.advance("5m");
  sim.broker.restore();
  await sim.advance("1m");
  expect(sim.messages("event/failsafe").map(({ json }) => json)).toMatchObject([
    { actuator: "pump", state: "off", reason: "offline", historical: true },
  ]);
});

describe("time", () => {
  test("of readings taken before the clock was set is repaired once it is", async () => {
    await start({ start: "1970-01-01T00:05:00Z", clockSynced: false });
    sim.broker.cut();
    await sim.advance("10m");
    const trueMs = Date.UTC(2026, 10, 23, 12);
    sim.clock.setWall(trueMs);
    sim.clock.setSynced(true);
    sim.broker.restore();
    await sim.advance("1m");
    const [first] = sim.messages("telemetry/air");
    expect(first?.json.clock).toBe("repaired");
    expect(Date.parse(first?.json.time)).toBeGreaterThan(trueMs - 601_000);
    expect(Date.parse(first?.json.time)).toBeLessThan(trueMs - 590_000);
    expect(sim.messages("event/clock").at(0)?.json).toMatchObject({ synced: true });
    expect(sim.messages("telemetry/air").at(-1)?.json.clock).toBeUndefined();
  });

  test("that is not known is said to be so", async () => {
    await start({ start: "1970-01-01T00:05:00Z", clockSynced: false });
    await sim.advance("30s");
    expect(sim.messages("telemetry/air").every(({ json }) => json.clock === "unsynced")).toBe(true);
  });
});

describe("commands", () => {
  test("identify blinks the board's light, which is given back also where the node stops meanwhile", async () => {
    await start();
    expect(await sim.command("node", { id: "i1", do: "identify" })).toMatchObject({
      status: "done",
      lamp: "ACT (simulated)",
    });
    await sim.advance("3s");
    expect(sim.board.lamp.isTaken()).toBe(true);
    expect(sim.board.lamp.flashes()).toBeGreaterThan(3);
    const { lamp } = sim.board;
    await sim.stop();
    expect(lamp.isTaken()).toBe(false);
  });

  test("answer duplicates with the first outcome, also after a restart", async () => {
    await start();
    await sim.advance("5s");
    expect(await sim.command("pump", { id: "a1", set: "on", for: "30s" })).toMatchObject({
      id: "a1",
      status: "done",
      state: "on",
    });
    await sim.advance("1m");
    expect(sim.board.gpio.level(22)).toBe(0);
    await sim.restart("kill");
    await sim.advance("20s");
    expect(await sim.command("pump", { id: "a1", set: "on" })).toMatchObject({
      id: "a1",
      status: "duplicate",
      state: "on",
    });
    expect(sim.board.gpio.level(22)).toBe(0);
  });

  test("never switch on what is interlocked with something that is on", async () => {
    await start();
    await sim.advance("5s");
    await sim.command("pump", "on");
    expect(await sim.command("valve", { id: "v1", set: "on" })).toMatchObject({
      id: "v1",
      status: "rejected",
      state: "off",
    });
    expect(sim.board.gpio.level(23)).toBe(0);
  });

  test("left retained by somebody never move anything, and are answered", async () => {
    await start();
    await sim.broker.publish("fieldpost/n1/command/pump", '{"id":"old","set":"on"}', { retain: true });
    sim.broker.cut();
    await sim.advance("5s");
    sim.broker.restore();
    await sim.advance("30s");
    expect(
      sim.messages("result/pump").some(({ json }) => json.id === "old" && json.status === "rejected"),
    ).toBe(true);
  });

  test("to an actuator that does not exist are answered", async () => {
    await start();
    await sim.advance("5s");
    expect(await sim.command("heater", { id: "h1", set: "on" })).toMatchObject({
      id: "h1",
      status: "rejected",
    });
  });

  test("to the node sample at once and send the description", async () => {
    await start();
    await sim.advance("12s");
    const before = sim.messages("telemetry/+").length;
    expect(await sim.command("node", { id: "s1", do: "sample" })).toMatchObject({ id: "s1", status: "done" });
    expect(sim.messages("telemetry/+").length).toBe(before + 2);
    await sim.command("node", { id: "s2", do: "about" });
    expect(sim.messages("about")).toHaveLength(2);
  });

  test("to restart bring the node back with its stream unbroken", async () => {
    await start();
    await sim.advance("12s");
    expect(await sim.command("node", { id: "r1", do: "restart" })).toMatchObject({
      id: "r1",
      status: "done",
    });
    await sim.advance("1m");
    expect(sim.audit()).toMatchObject({ lost: 0, boots: 2 });
    expect(sim.retained("status")).toBe("online");
  });
});

describe("sensors", () => {
  test("that hang do not delay those on other buses", async () => {
    await start({
      config: GREENHOUSE.replace("driver: ads1115 }", "driver: ads1115, bus: /dev/i2c-3 }"),
    });
    await sim.advance("30s");
    sim.fault("soil", "hang");
    const before = sim.messages("telemetry/air").length;
    await sim.advance("10m");
    expect(sim.messages("telemetry/air").length - before).toBe(60);
    expect(JSON.parse(sim.retained("fault/soil")!)).toMatchObject({ failures: expect.any(Number) });
  });

  test("that fail are told once when it begins and once when it ends", async () => {
    await start();
    await sim.advance("15s");
    sim.fault("air", "no_ack");
    await sim.advance("5m");
    sim.fault("air", undefined);
    await sim.advance("6m");
    const states = sim
      .messages("event/sensor")
      .filter(({ json }) => json.sensor === "air")
      .map(({ json }) => json.state);
    expect(states).toEqual(["failing", "ok"]);
  });
});

test("a wrong configuration is refused with everything that is wrong", async () => {
  await expect(
    simulate({ config: "device: { id: n1 }\nmqtt: { url: ftp://x }\nsensrs: []\n" }),
  ).rejects.toThrow(/fieldpost\.yaml:2[\s\S]*fieldpost\.yaml:3/);
  await start();
});
