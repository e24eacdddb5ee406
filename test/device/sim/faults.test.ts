import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../src/device/random.ts";
import { createSimBoard } from "../../../src/device/sim/board.ts";
import { VirtualClock } from "../../../src/device/sim/clock.ts";
import { runFaults } from "../../../src/device/sim/faults.ts";
import { simulationSettings } from "../../../src/device/sim/settings.ts";
import { attachSensor, type Wire } from "../../../src/device/sim/wiring.ts";
import { World } from "../../../src/device/sim/world.ts";

const WIRES: ReadonlyMap<string, Wire> = new Map<string, Wire>([
  ["air", { bus: "i2c", devicePath: "/dev/i2c-1", address: 0x76 }],
  ["tank", { bus: "one_wire", id: "28-00000a1b2c3d" }],
  ["door", { bus: "gpio", pin: 17 }],
]);

function rig(faults: readonly Record<string, unknown>[]) {
  const clock = new VirtualClock({ wallMs: 0, monotonicMs: 0 });
  const random = seededRandom(1);
  const board = createSimBoard({ clock, random, world: new World({ seed: 1, clock }) });
  attachSensor(board, { sensor: "air", driver: "bme280", wire: WIRES.get("air")! }, random);
  attachSensor(board, { sensor: "tank", driver: "ds18b20", wire: WIRES.get("tank")! }, random);
  const stop = new AbortController();
  const done = runFaults(board, v.parse(simulationSettings, { faults }).faults, WIRES, stop.signal);
  done.catch(() => {});
  const answers = () =>
    clock.run(board.i2c("/dev/i2c-1").transfer(0x76, Uint8Array.of(0xd0), 1)).then(
      () => true,
      () => false,
    );
  return { clock, board, stop, done, answers };
}

describe("the schedule of faults", () => {
  test("strikes after a while, lasts its time and comes back", async () => {
    const { clock, stop, done, answers } = rig([
      { sensor: "air", fault: "no_ack", after: "1m", for: "10s", every: "30s" },
    ]);
    const seen: boolean[] = [];
    for (const at of [0, 59, 61, 69, 71, 89, 91, 99, 101]) {
      await clock.advanceTo(at * 1_000);
      seen.push(await answers());
    }
    expect(seen).toEqual([true, true, false, false, true, true, false, false, true]);
    stop.abort();
    await done;
    expect(clock.pending()).toBe(0);
  });

  test("without an end lasts for good", async () => {
    const { clock, done, answers } = rig([{ sensor: "air", fault: "stuck" }]);
    await clock.advance(86_400_000);
    expect(await answers()).toBe(false);
    await done;
  });

  test("reaches thermometers and lines", async () => {
    const { clock, board } = rig([
      { sensor: "tank", fault: "shorted" },
      { sensor: "door", fault: "stuck_high", for: "1s" },
    ]);
    await clock.advance(10);
    expect(await clock.run(board.oneWire.readThermometer("28-00000a1b2c3d"))).toContain("t=0\n");
    expect(board.gpio.level(17)).toBe(1);
    await clock.advance(1_000);
    expect(board.gpio.level(17)).toBe(0);
  });

  test.each([
    ["names no sensor", { sensor: "aire", fault: "no_ack" }, 'no sensor "aire"'],
    [
      "cannot happen on such a wire",
      { sensor: "door", fault: "bad_crc" },
      '"bad_crc" cannot happen to "door"',
    ],
  ])("refuses a fault that %s", async (_why, fault, message) => {
    await expect(rig([fault]).done).rejects.toThrow(message);
  });
});

describe("the simulation block", () => {
  test("takes numbers and behaviours, and durations as text", () => {
    const input = {
      seed: 7,
      world: { temperature: { mean: 20, swing: 5, period: "1h" }, "cellar.humidity": 80 },
      faults: [{ sensor: "air", fault: "timeout", after: "2m" }],
    };
    expect(v.parse(simulationSettings, input)).toEqual({
      seed: 7,
      world: { temperature: { mean: 20, swing: 5, period: 3_600_000 }, "cellar.humidity": 80 },
      faults: [{ sensor: "air", fault: "timeout", after: 120_000 }],
      outages: [],
    });
    expect(v.parse(simulationSettings, {})).toEqual({ seed: 1, world: {}, faults: [], outages: [] });
  });

  test.each([
    ["a fault that nothing has", { faults: [{ sensor: "air", fault: "gremlins" }] }],
    [
      "a fault that comes back before it is over",
      { faults: [{ sensor: "a", fault: "crc", for: "5s", every: "5s" }] },
    ],
    ["a fault that comes back but never goes", { faults: [{ sensor: "a", fault: "crc", every: "5s" }] }],
    ["an unknown key", { wrld: {} }],
    ["a world of words", { world: { temperature: "warm" } }],
  ])("refuses %s", (_what, input) => {
    expect(v.safeParse(simulationSettings, input).success).toBe(false);
  });
});
