import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../src/device/random.ts";
import type { SimChip } from "../../../src/device/sim/chip.ts";
import { simChips } from "../../../src/device/sim/chips.ts";
import { VirtualClock } from "../../../src/device/sim/clock.ts";
import { World } from "../../../src/device/sim/world.ts";
import { loadSensorDrivers } from "../../../src/sensors/registry.ts";

const sensorDrivers = await loadSensorDrivers();

function rig(driver: string, seed = 1) {
  const clock = new VirtualClock({ wallMs: 0, monotonicMs: 0 });
  const spec = { temperature: 20, humidity: 50, pressure: 1_000, a0: 1, a1: 2.5, a2: 0, a3: -0.5 };
  const world = new World({ seed, clock, spec });
  const chip = simChips.get(driver)!({ place: "probe", world, clock, random: seededRandom(seed) });
  return { clock, world, chip };
}

const write = (chip: SimChip, ...bytes: number[]) => chip.write(Uint8Array.from(bytes));

function read(chip: SimChip, length: number, ...pointer: number[]): number[] {
  if (pointer.length > 0) write(chip, ...pointer);
  return [...chip.read(length)];
}

test("there is a chip for every driver on I2C", () => {
  const onI2c = [...sensorDrivers.values()].filter(({ bus }) => bus === "i2c").map(({ name }) => name);
  expect([...simChips.keys()].sort()).toEqual(onI2c.sort());
});

describe("the simulated BME280", () => {
  const RESET_VALUES = [0x80, 0, 0, 0x80, 0, 0, 0x80, 0];

  test("knows itself and has no measurement after power-on", () => {
    const { chip } = rig("bme280");
    expect(read(chip, 1, 0xd0)).toEqual([0x60]);
    expect(read(chip, 8, 0xf7)).toEqual(RESET_VALUES);
  });

  test("is loading its calibration for a moment after a reset, and only by the right word", async () => {
    const { clock, chip } = rig("bme280");
    await clock.advance(2);
    expect(read(chip, 1, 0xf3)).toEqual([0]);
    write(chip, 0xe0, 0x55);
    expect(read(chip, 1, 0xf3)).toEqual([0]);
    write(chip, 0xe0, 0xb6);
    expect(read(chip, 1, 0xf3)).toEqual([1]);
    await clock.advance(2);
    expect(read(chip, 1, 0xf3)).toEqual([0]);
  });

  test("measures for the datasheet's time in forced mode, then sleeps", async () => {
    const { clock, chip } = rig("bme280");
    await clock.advance(2);
    write(chip, 0xf2, 1, 0xf4, 0b001_001_01);
    expect(read(chip, 1, 0xf3)).toEqual([8]);
    await clock.advance(7.9);
    expect(read(chip, 1, 0xf3)).toEqual([8]);
    expect(read(chip, 8, 0xf7)).toEqual(RESET_VALUES);
    await clock.advance(1.5);
    expect(read(chip, 1, 0xf3)).toEqual([0]);
    expect(read(chip, 1, 0xf4)).toEqual([0b001_001_00]);
    expect(read(chip, 8, 0xf7)).not.toEqual(RESET_VALUES);
  });

  test("takes the oversampling of humidity over only with a write to ctrl_meas", async () => {
    const { clock, chip } = rig("bme280");
    const humidity = async () => {
      await clock.advance(20);
      return read(chip, 2, 0xfd);
    };
    write(chip, 0xf4, 0b001_001_01);
    write(chip, 0xf2, 1);
    expect(await humidity()).toEqual([0x80, 0]);
    write(chip, 0xf4, 0b001_001_01);
    expect(await humidity()).not.toEqual([0x80, 0]);
  });

  test("skips what has no oversampling", async () => {
    const { clock, chip } = rig("bme280");
    write(chip, 0xf4, 0b001_000_01);
    await clock.advance(20);
    expect(read(chip, 3, 0xf7)).toEqual([0x80, 0, 0]);
    expect(read(chip, 3, 0xfa)).not.toEqual([0x80, 0, 0]);
  });

  test("has 16 bits at single oversampling and more with the filter on", async () => {
    const { clock, chip, world } = rig("bme280");
    const lowNibbles = async () => {
      const nibbles = new Set<number>();
      for (let step = 0; step < 8; step++) {
        world.set("temperature", 20 + step * 0.01);
        write(chip, 0xf2, 1, 0xf4, 0b001_001_01);
        await clock.advance(20);
        nibbles.add(read(chip, 3, 0xfa)[2]!);
      }
      return nibbles;
    };
    expect([...(await lowNibbles())]).toEqual([0]);
    write(chip, 0xf5, 0b001_00);
    expect((await lowNibbles()).size).toBeGreaterThan(1);
  });
});

describe("the simulated SHT4x", () => {
  test("acknowledges nothing while it measures, and one read after it", async () => {
    const { clock, chip } = rig("sht4x");
    write(chip, 0xfd);
    await clock.advance(6.8);
    expect(() => chip.read(6)).toThrow("busy");
    expect(() => write(chip)).toThrow("busy");
    await clock.advance(1.5);
    expect(chip.read(6)).toHaveLength(6);
    expect(() => chip.read(6)).toThrow("nothing to read");
  });

  test("refuses a command that it does not know and forgets its answer at a reset", async () => {
    const { clock, chip } = rig("sht4x");
    expect(() => write(chip, 0x00)).toThrow("no such command");
    write(chip, 0x89);
    write(chip, 0x94);
    await clock.advance(1);
    expect(() => chip.read(6)).toThrow("nothing to read");
  });
});

describe("the simulated ADS1115", () => {
  const code = (chip: SimChip) => {
    const [high = 0, low = 0] = read(chip, 2, 0);
    return ((high << 24) >> 16) | low;
  };

  test("has the datasheet's registers after a reset", () => {
    const { chip } = rig("ads1115");
    expect(read(chip, 2, 1)).toEqual([0x85, 0x83]);
    expect(read(chip, 2, 2)).toEqual([0x80, 0x00]);
    expect(read(chip, 2, 3)).toEqual([0x7f, 0xff]);
    expect(read(chip, 2, 0)).toEqual([0, 0]);
  });

  test("shows by its OS bit when a single shot is over", async () => {
    const { clock, chip } = rig("ads1115");
    write(chip, 1, 0xc3, 0x83);
    expect(read(chip, 2, 1)).toEqual([0x43, 0x83]);
    await clock.advance(7);
    expect(read(chip, 2, 1)).toEqual([0x43, 0x83]);
    expect(code(chip)).toBe(0);
    await clock.advance(1.7);
    expect(read(chip, 2, 1)).toEqual([0xc3, 0x83]);
    expect(code(chip)).toBe(8_000);
  });

  test.each([
    ["a0-a1, below zero", 0x83, -12_000],
    ["a3, below zero", 0xf3, -4_000],
    ["a1 at ±1.024 V, clipped", 0xd7, 32_767],
    ["a0-a1 at ±0.256 V, clipped below", 0x8b, -32_768],
  ])("converts %s", async (_input, high, expected) => {
    const { clock, chip } = rig("ads1115");
    write(chip, 1, high, 0x83);
    await clock.advance(10);
    expect(code(chip)).toBe(expected);
  });

  test("follows its input in continuous mode", async () => {
    const { clock, chip, world } = rig("ads1115");
    write(chip, 1, 0x42, 0x83);
    await clock.advance(10);
    expect(code(chip)).toBe(8_000);
    world.set("a0", 2);
    expect(code(chip)).toBe(16_000);
  });

  test("is off by up to a tenth in time, the same for the same seed", async () => {
    const readyAfterMs = async (seed: number) => {
      const { clock, chip } = rig("ads1115", seed);
      write(chip, 1, 0xc3, 0x83);
      while ((read(chip, 1, 1)[0]! & 0x80) === 0) await clock.advance(0.05);
      return clock.monotonicMs();
    };
    const first = await readyAfterMs(1);
    expect(first).toBeGreaterThan(7.03);
    expect(first).toBeLessThan(8.7);
    expect(await readyAfterMs(1)).toBe(first);
    expect(await readyAfterMs(2)).not.toBe(first);
  });
});
