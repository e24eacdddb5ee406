import { afterEach, describe, expect, test } from "vitest";
import { type Simulation, simulate } from "../../src/index.ts";

const WIRED = "recovery: { scl: 23, sda: 24 }, power: { pin: 25, off_for: 1s }";

let sim: Simulation;
afterEach(() => sim.stop());

async function start(fault: string, wired: string) {
  sim = await simulate({
    config: `
device: { id: n1 }
mqtt: { url: mqtt://broker.example }
telemetry: { interval: 10s }
health: { interval: 1m }
buffer: { max_size: 16MiB }
buses: { i2c: { main: { device: /dev/i2c-1${wired && `, ${wired}`} } } }
sensors:
  - { id: air, driver: bme280 }
  - { id: soil, driver: ads1115 }
simulation: { faults: [{ sensor: air, fault: ${fault}, after: 1m }] }
`,
  });
  await sim.advance("12m");
}

const health = () => sim.messages("health").at(-1)!.json;
const told = () => sim.messages("event/sensor").map(({ json }) => json);

describe("a node whose bus is wired for its chips' failures", () => {
  test.each([
    ["stuck_until_clocked", "the bus was clocked nine times", { clock_pulses: 1, power_cycle: 0, failed: 0 }],
    [
      "hung_until_power_cycle",
      "the chips were switched off and on",
      { clock_pulses: 0, power_cycle: 1, failed: 0 },
    ],
  ])("comes back by itself from %s, and says what it did", async (fault, remedy, counts) => {
    await start(fault, WIRED);
    expect(health().sensors.air).toMatchObject({ state: "ok", reinitialised: 1 });
    expect(health().sensors.air.retries).toBe(health().sensors.air.errors);
    expect(health().i2c_recovery).toEqual({ "/dev/i2c-1": counts });
    expect(JSON.stringify(told())).toContain(remedy);
    // Its neighbour on the bus lost nothing: it waited.
    expect(health().sensors.soil).toMatchObject({ state: "ok", errors: 0 });
    expect(sim.audit()).toMatchObject({ lost: 0, duplicates: 0 });
  });

  test("not where nothing is wired: it goes on trying, and says so", async () => {
    await start("hung_until_power_cycle", "");
    expect(health().sensors.air).toMatchObject({ state: "failing" });
    expect(health().sensors.air.retries).toBeGreaterThan(5);
    expect(health().sensors.soil).toMatchObject({ state: "ok", errors: 0 });
  });
});
