import { describe, expect, test } from "vitest";
import { digitalOutput } from "../../src/actuators/digital-output.ts";
import { stepper } from "../../src/actuators/stepper.ts";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { benchOf } from "./kinds.ts";
import { configured, openWired, RelayBoard } from "./wiring.ts";

describe("a lamp that blinks", () => {
  const blink = { on: "300ms", off: "700ms" };

  test("goes on and off in turns while it is on, and is off when it is off", async () => {
    const { open, clock, sim } = benchOf();
    const output = await open(digitalOutput, { pin: 5, active_low: true, blink });
    await clock.run(output.set("on"));
    const startMs = clock.monotonicMs();
    await clock.advance(2_100);
    await clock.run(output.set("off"));
    await clock.advance(5_000);
    const changes = sim.gpio.history(5).filter(([atMs]) => atMs >= startMs);
    expect(changes.map(([atMs, level]) => [atMs - startMs, level])).toEqual([
      [0, 0],
      [300, 1],
      [1_000, 0],
      [1_300, 1],
      [2_000, 0],
      [2_100, 1],
    ]);
  });

  test("that fails between two writes is made safe by the guard", async () => {
    const clock = new VirtualClock({ wallMs: 0 });
    const relays = new RelayBoard(clock);
    const guard = await openWired({
      actuators: configured([{ id: "lamp", pin: 5, blink }]),
      gpio: relays.gpio(),
      clock,
    });
    await guard.request("lamp", { set: "on", cause: "command" });
    relays.refusing.set(5, "stays");
    await clock.advance(400);
    expect(guard.state("lamp")?.value).toBeUndefined();
    relays.refusing.clear();
    await clock.advance(10_000);
    expect([guard.state("lamp")?.value, relays.loads.get(5)]).toEqual(["off", 0]);
  });
});

test("a pulse ends by itself, and a new one begins anew", async () => {
  const clock = new VirtualClock({ wallMs: 0 });
  const relays = new RelayBoard(clock);
  const causes: unknown[] = [];
  const guard = await openWired({
    actuators: configured([{ id: "door", pin: 5, pulse: "500ms" }]),
    gpio: relays.gpio(),
    clock,
    onChange: ({ state, cause }) => causes.push([state, cause]),
  });
  await guard.request("door", { set: "on", cause: "command" });
  await clock.advance(400);
  await guard.request("door", { set: "on", cause: "command" });
  await clock.advance(499);
  expect(relays.loads.get(5)).toBe(1);
  await clock.advance(1);
  expect(relays.loads.get(5)).toBe(0);
  expect(causes.at(-1)).toEqual(["off", "timer"]);
});

describe("a stepper", () => {
  const options = { step_pin: 5, dir_pin: 6, enable_pin: 7, speed: 100, min: -10, max: 200 };

  async function opened() {
    const bench = benchOf();
    const output = await bench.open(stepper, options);
    const steps = () => bench.sim.gpio.history(5).filter(([, level]) => level === 1);
    return { ...bench, output, steps, position: () => output.details?.()["position"] };
  }

  test("makes as many steps as it is told, no faster than it may, in the right direction", async () => {
    const { clock, sim, output, steps, position, ends } = await opened();
    await output.set(20);
    expect([sim.gpio.level(6), sim.gpio.level(7)]).toEqual([1, 0]);
    await clock.advance(1_000);
    expect([steps().length, position(), ends.length]).toEqual([20, 20, 1]);
    const gaps = steps().map(([atMs], index, all) => (index === 0 ? 10 : atMs - all[index - 1]![0]));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(10);
    await output.set(-5);
    expect(sim.gpio.level(6)).toBe(0);
    await clock.advance(1_000);
    expect([steps().length, position()]).toEqual([45, -5]);
  });

  test("stops when it is off, and counts on from where that was", async () => {
    const { clock, sim, output, steps, position } = await opened();
    await output.set(200);
    await clock.advance(500);
    await clock.run(output.set("off"));
    const made = steps().length;
    await clock.advance(5_000);
    expect([steps().length, position(), sim.gpio.level(7)]).toEqual([made, made, 1]);
    await output.set(0);
    await clock.advance(5_000);
    expect([steps().length, position()]).toEqual([2 * made, 0]);
  });

  test("takes whole steps within its range", () => {
    const range = { ...options, enable_pin: undefined };
    expect(
      [-11, -10, 0, 200, 201, 0.5, "off", "on"].filter((value) => stepper.accepts(value as 0, range)),
    ).toEqual([-10, 0, 200, "off"]);
  });
});
