import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import i2c from "i2c-bus";
import { linuxBoard } from "../../../src/device/linux/board.ts";
import { linuxClock } from "../../../src/device/linux/clock.ts";
import { wave } from "../../../src/device/pwm.ts";
import { bindKernelDriver, i2cBusNumber, loadModule, read } from "./kernel.ts";

/** The kernel's driver for a PCA9685 on an adapter that is a memory: what the chip would do stands in its registers. */
const PCA9685 = 0x40;
const STEPS = 4_096;

const { pwm } = linuxBoard({ clock: linuxClock() });

test("a kernel without PWM says how to get it", async () => {
  await assert.rejects(pwm.output({ channel: 0, initial: wave(50, 0) }), {
    name: "PwmError",
    fault: "no_chip",
    message: /dtoverlay=pwm-2chan/,
  });
  loadModule("i2c-stub", `chip_addr=${PCA9685}`);
  bindKernelDriver(i2cBusNumber("SMBus stub"), "pca9685", PCA9685);
});

/** LEDn_OFF less LEDn_ON (PCA9685 datasheet, 7.3.3): how many of the 4096 steps the output is on. */
function onSteps(channel: number): number {
  const bus = i2c.openSync(i2cBusNumber("SMBus stub"), { forceAccess: true });
  const [onLow = 0, onHigh = 0, offLow = 0, offHigh = 0] = [0, 1, 2, 3].map((offset) =>
    bus.readByteSync(PCA9685, 0x06 + 4 * channel + offset),
  );
  bus.closeSync();
  if ((onHigh & 0x10) !== 0) return STEPS;
  return (offHigh & 0x10) !== 0 ? 0 : ((offHigh & 0x0f) << 8) + offLow - (((onHigh & 0x0f) << 8) + onLow);
}

const sysfs = (channel: number, attribute: string) =>
  read(`/sys/class/pwm/pwmchip0/pwm${channel}/${attribute}`);

test("a servo's pulse of 1.5 ms in 20 ms is what the chip is told", async () => {
  const output = await pwm.output({ channel: 3, initial: { periodNs: 20_000_000, pulseNs: 1_500_000 } });
  assert.equal(sysfs(3, "enable"), "1");
  // The kernel rounds up or down by its version.
  assert.ok(Math.abs(onSteps(3) - (STEPS * 1.5) / 20) <= 1, String(onSteps(3)));
  await output.set({ periodNs: 20_000_000, pulseNs: 2_000_000 });
  assert.ok(Math.abs(onSteps(3) - STEPS / 10) <= 1, String(onSteps(3)));
  await output.close();
});

for (const share of [0, 0.25, 1]) {
  test(`a share of ${share} is ${share * 100} % of the steps`, async () => {
    const output = await pwm.output({ channel: 5, initial: wave(50, share) });
    assert.ok(Math.abs(onSteps(5) - STEPS * share) <= 1, String(onSteps(5)));
    await output.close();
  });
}

test("a chip that has one period for all its channels says so, and changes it once the others are free", async () => {
  const output = await pwm.output({ channel: 6, initial: wave(50, 0.9) });
  await assert.rejects(output.set(wave(1_000, 0.9)), {
    name: "PwmError",
    fault: "unsupported",
    message: /another channel of this chip/,
  });
  for (const channel of [3, 5]) writeFileSync("/sys/class/pwm/pwmchip0/unexport", String(channel));
  await output.set(wave(1_000, 0.9));
  assert.deepEqual([sysfs(6, "period"), sysfs(6, "duty_cycle")], ["1000000", "900000"]);
  await output.set(wave(50, 0.1));
  assert.deepEqual([sysfs(6, "period"), sysfs(6, "duty_cycle")], ["20000000", "2000000"]);
  await output.close();
});

test("an output that is given back keeps its wave, and is taken over without a pause", async () => {
  const first = await pwm.output({ channel: 7, initial: wave(50, 0.5) });
  await first.close();
  assert.equal(sysfs(7, "enable"), "1");
  const second = await pwm.output({ channel: 7, initial: wave(50, 0.5) });
  assert.ok(Math.abs(onSteps(7) - STEPS / 2) <= 1);
  await second.close();
});

test("a polarity that the chip does not have is refused", async () => {
  await assert.rejects(pwm.output({ channel: 8, inverted: true, initial: wave(50, 0.5) }), {
    name: "PwmError",
    fault: "unsupported",
  });
});

test("a period beyond the chip is refused", async () => {
  await assert.rejects(pwm.output({ channel: 9, initial: wave(0.5, 0.5) }), {
    name: "PwmError",
    fault: "unsupported",
  });
});

test("the chip can be meant by its driver, and has so many channels", async () => {
  await (await pwm.output({ chip: "pca9685-pwm", channel: 10, initial: wave(50, 0) })).close();
  await assert.rejects(pwm.output({ channel: 17, initial: wave(50, 0) }), { fault: "no_channel" });
});
