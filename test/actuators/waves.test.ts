import { describe, expect, test } from "vitest";
import { codeOf, dac } from "../../src/actuators/dac.ts";
import { pwm } from "../../src/actuators/pwm.ts";
import { pulseUs, servo } from "../../src/actuators/servo.ts";
import { ledRegisters, prescale } from "../../src/device/expanders/pca9685.ts";
import { simMcp4725 } from "../../src/device/sim/chips/mcp4725.ts";
import type { SimPca9685 } from "../../src/device/sim/chips/pca9685.ts";
import { benchOf } from "./kinds.ts";

describe("pwm", () => {
  test("makes a share of each period, from its initial value on", async () => {
    const { open, sim } = benchOf();
    const output = await open(pwm, { channel: 0, frequency: 25_000 }, 20);
    await output.set(50);
    await output.set("on");
    await output.set("off");
    expect(sim.pwm.history(0).map(({ periodNs, pulseNs }) => [periodNs, pulseNs])).toEqual([
      [40_000, 8_000],
      [40_000, 20_000],
      [40_000, 40_000],
      [40_000, 0],
    ]);
  });

  test("takes nothing but off below min, and nothing above max, which is what on is", async () => {
    const options = { channel: 0, inverted: false, min: 30, max: 80 };
    const accepted = ([0, 10, 30, 80, 81, "on", "off", "open"] as const).filter((value) =>
      pwm.accepts(value, options),
    );
    expect(accepted).toEqual([0, 30, 80, "on", "off"]);
    const { open, sim } = benchOf();
    await open(pwm, options, "on");
    expect(sim.pwm.history(0).at(-1)).toMatchObject({ periodNs: 1_000_000, pulseNs: 800_000 });
  });

  test("on a PCA9685 is the share that its channel makes, and the others go on", async () => {
    const { open, bus, clock } = benchOf({ leds: { chip: "pca9685", frequency: 200 } });
    const chip = bus.chip(0x40) as SimPca9685;
    const first = await open(pwm, { expander: "leds", channel: 3, frequency: 200 }, 25);
    expect(chip.share(3)).toBe(0.25);
    expect(chip.frequencyHz).toBeCloseTo(200, -1);
    await open(pwm, { expander: "leds", channel: 4, frequency: 200, inverted: true }, 25);
    expect([chip.share(3), chip.share(4)]).toEqual([0.25, 0.75]);
    for (const [value, share] of [
      ["on", 1],
      [0, 0],
      [0.01, 0],
      [99.99, 1],
    ] as const) {
      await clock.run(first.set(value));
      expect(chip.share(3)).toBe(share);
    }
  });

  test("on a PCA9685 that lost its supply fails once, so that it is made safe, and works again", async () => {
    const { open, bus, clock } = benchOf({ leds: { chip: "pca9685" } });
    const output = await open(pwm, { expander: "leds", channel: 3, frequency: 50 }, 25);
    const chip = bus.chip(0x40) as SimPca9685;
    chip.reset();
    await expect(clock.run(output.set(50))).rejects.toThrow("did not keep what it was told");
    await clock.run(output.set(0));
    await clock.run(output.set(75));
    expect(chip.share(3)).toBe(0.75);
  });
});

test("the registers of a PCA9685 (rev. 4, section 7.3.3, example 1, and section 7.3.5)", () => {
  expect(prescale(200)).toBe(0x1e);
  expect(prescale(1_526)).toBe(3);
  expect(prescale(24)).toBe(0xfd);
  expect(ledRegisters({ periodNs: 4_096, pulseNs: 820 }, false)).toEqual([0, 0, 0x34, 0x03]);
  expect(ledRegisters({ periodNs: 4_096, pulseNs: 4_096 }, false)).toEqual([0, 0x10, 0, 0]);
  expect(ledRegisters({ periodNs: 4_096, pulseNs: 0 }, false)).toEqual([0, 0, 0, 0x10]);
  expect(ledRegisters({ periodNs: 4_096, pulseNs: 0 }, true)).toEqual([0, 0x10, 0, 0]);
});

describe("servo", () => {
  test("turns an angle into a pulse between the two ends", async () => {
    const travel = { min_angle: -90, max_angle: 90, min_pulse: 500, max_pulse: 2_500 };
    expect([-90, 0, 45, 90].map((angle) => pulseUs(angle, travel))).toEqual([500, 1_500, 2_000, 2_500]);
    const { open, sim } = benchOf();
    const output = await open(servo, { channel: 1 });
    await output.set(180);
    await output.set(90);
    expect(sim.pwm.history(1).map(({ pulseNs }) => pulseNs)).toEqual([0, 2_000_000, 1_500_000]);
  });

  test("is never sent beyond its ends, and 0° is a position and not off", () => {
    const options = { channel: 1, min_angle: 90, max_angle: 0, min_pulse: 1_000, max_pulse: 2_000 };
    expect(
      ([-1, 0, 45, 90, 91, "off", "on"] as const).filter((value) => servo.accepts(value, options)),
    ).toEqual([0, 45, 90, "off"]);
    expect([servo.isOn?.(0), servo.isOn?.("off")]).toEqual([true, false]);
  });
});

describe("dac", () => {
  function withChip() {
    const bench = benchOf();
    const chip = simMcp4725();
    bench.bus.attach(0x60, chip);
    return { ...bench, chip };
  }

  test("puts out the voltage that comes nearest, and never writes the EEPROM unasked", async () => {
    const { open, clock, chip } = withChip();
    const output = await open(dac, { reference: 5 });
    expect(chip.share).toBe(0);
    for (const [volts, code] of [
      [2.5, 2_048],
      [5, 4_095],
      [0.001, 1],
    ] as const) {
      await clock.run(output.set(volts));
      expect(chip.share).toBe(code / 4_096);
      expect(codeOf(volts, 5)).toBe(code);
    }
    expect(chip.eepromWrites).toBe(0);
  });

  test("writes what it is to begin with into the EEPROM once, and not again", async () => {
    const { open, chip } = withChip();
    await open(dac, { reference: 4.096, power_up: 1 }, 2);
    await open(dac, { reference: 4.096, power_up: 1 }, 2);
    expect([chip.eepromWrites, chip.share]).toEqual([1, 2_000 / 4_096]);
    chip.reset();
    expect(chip.share).toBe(1_000 / 4_096);
  });

  test("a bus that fails fails the write, and so does a chip that holds something else", async () => {
    const { open, bus, clock } = withChip();
    const output = await open(dac, {});
    bus.fail(0x60, { fault: "no_ack", transfers: 1 });
    await expect(clock.run(output.set(1))).rejects.toMatchObject({ fault: "absent" });
    bus.attach(0x60, { write: () => {}, read: (length) => new Uint8Array(length) });
    await expect(clock.run(output.set(1))).rejects.toThrow("the DAC holds 0 instead of");
  });
});
