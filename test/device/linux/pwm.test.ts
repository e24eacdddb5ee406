import { beforeEach, describe, expect, test } from "vitest";
import { linuxPwm } from "../../../src/device/linux/pwm.ts";
import { wave } from "../../../src/device/pwm.ts";
import { VirtualClock } from "../../../src/device/sim/clock.ts";
import { type FakePwmKernel, fakePwmKernel } from "./fake-pwm-kernel.ts";
import { nodeError } from "./system-error.ts";

const SERVO = { periodNs: 20_000_000, pulseNs: 1_500_000 };

let clock: VirtualClock;
let kernel: FakePwmKernel;
beforeEach(() => {
  clock = new VirtualClock({ wallMs: 0 });
  kernel = fakePwmKernel();
});
const pwm = () => linuxPwm(kernel.files, clock);
const pi4 = () =>
  kernel.addChip("pwmchip0", { driver: "pwm-bcm2835", node: "/soc/pwm@7e20c000", channels: 2 });

describe("which chip", () => {
  test("is the header's on a Raspberry Pi 5, whatever its number", async () => {
    kernel.addChip("pwmchip0", { driver: "pwm-rp1", node: "/axi/pcie@120000/rp1/pwm@9c000", channels: 4 });
    kernel.addChip("pwmchip2", { driver: "pwm-rp1", node: "/axi/pcie@120000/rp1/pwm@98000", channels: 4 });
    await pwm().output({ channel: 3, initial: SERVO });
    expect(kernel.channel("pwmchip2", 3)).toMatchObject({
      period: 20_000_000,
      duty: 1_500_000,
      enabled: true,
    });
  });

  test("is the only one, where none is the header's", async () => {
    kernel.addChip("pwmchip7", { driver: "pca9685-pwm", node: "", channels: 17 });
    await pwm().output({ channel: 16, initial: SERVO });
    expect(kernel.channel("pwmchip7", 16).enabled).toBe(true);
  });

  test.each(["pwmchip4", "pca9685-pwm", "pca9685@40"])("can be named %s", async (chip) => {
    pi4();
    kernel.addChip("pwmchip4", { driver: "pca9685-pwm", node: "/soc/i2c@7e804000/pca9685@40", channels: 17 });
    await pwm().output({ chip, channel: 2, initial: SERVO });
    expect(kernel.channel("pwmchip4", 2).enabled).toBe(true);
  });

  test("is asked for where two could be meant, naming both", async () => {
    for (const name of ["pwmchip0", "pwmchip1"]) {
      kernel.addChip(name, { driver: "pca9685-pwm", node: "", channels: 17 });
    }
    for (const chip of ["auto", "pca9685-pwm"]) {
      const failed = pwm().output({ chip, channel: 0, initial: SERVO });
      await expect(failed).rejects.toMatchObject({ name: "PwmError", fault: "no_chip" });
      await expect(failed).rejects.toThrow(/pwmchip0 \(pca9685-pwm, 17 channels\), pwmchip1/);
    }
  });

  test("cannot be found where there is none, and the error says what is missing", async () => {
    await expect(pwm().output({ channel: 0, initial: SERVO })).rejects.toThrow("dtoverlay=pwm-2chan");
    pi4();
    const failed = pwm().output({ chip: "pwmchip9", channel: 0, initial: SERVO });
    await expect(failed).rejects.toThrow(
      'no PWM chip "pwmchip9": found pwmchip0 (pwm-bcm2835, pwm@7e20c000, 2 channels)',
    );
  });

  test("says how many channels it has", async () => {
    pi4();
    const failed = pwm().output({ channel: 2, initial: SERVO });
    await expect(failed).rejects.toMatchObject({
      fault: "no_channel",
      message: "pwmchip0 has channels 0 to 1, no 2",
    });
  });
});

describe("a wave", () => {
  beforeEach(() => pi4());

  test("is set up before it is switched on: period, then pulse", async () => {
    await pwm().output({ channel: 0, initial: SERVO });
    expect(kernel.writes).toEqual(["export 0", "period 20000000", "duty_cycle 1500000", "enable 1"]);
  });

  test("turns its polarity only while it is off, and after it has a period", async () => {
    const output = await pwm().output({ channel: 1, inverted: true, initial: SERVO });
    expect(kernel.channel("pwmchip0", 1)).toMatchObject({ polarity: "inversed", enabled: true });
    await output.close();
    kernel.writes.length = 0;
    await pwm().output({ channel: 1, initial: SERVO });
    expect(kernel.writes).toEqual(["enable 0", "duty_cycle 1500000", "polarity normal", "enable 1"]);
  });

  test.each([
    [wave(50, 0.9), wave(1_000, 0.5)],
    [wave(1_000, 0.5), wave(50, 0.9)],
    [wave(50, 1), wave(25_000, 0)],
    [wave(25_000, 1), wave(50, 1)],
  ])(
    "changes from %j to %j without a moment at which the pulse is longer than the period",
    async (from, to) => {
      const output = await pwm().output({ channel: 0, initial: from });
      await output.set(to);
      expect(kernel.channel("pwmchip0", 0)).toMatchObject({ period: to.periodNs, duty: to.pulseNs });
      expect(await output.get()).toEqual(to);
    },
  );

  test("that an earlier run left goes on without a pause", async () => {
    await pwm().output({ channel: 0, initial: wave(50, 0.1) });
    kernel.writes.length = 0;
    await pwm().output({ channel: 0, initial: wave(50, 0.05) });
    expect(kernel.writes).toEqual(["duty_cycle 1000000"]);
  });

  test("that no chip could make is a mistake of the program", async () => {
    for (const initial of [
      { periodNs: 0, pulseNs: 0 },
      { periodNs: 10, pulseNs: 11 },
      { periodNs: 1.5, pulseNs: 0 },
    ]) {
      await expect(pwm().output({ channel: 0, initial })).rejects.toThrow(RangeError);
    }
  });

  test("that this chip cannot make is said so, and leaves the channel free for another", async () => {
    const board = pwm();
    kernel.shortestPeriodNs = 1_000;
    const failed = board.output({ channel: 0, initial: { periodNs: 15, pulseNs: 1 } });
    await expect(failed).rejects.toMatchObject({ fault: "unsupported" });
    await expect(failed).rejects.toThrow("cannot make a period of 15 ns with a pulse of 1 ns");
    await board.output({ channel: 0, initial: SERVO });
  });
});

test("a chip whose channels share one period says that another one holds it", async () => {
  pi4();
  const files = {
    ...kernel.files,
    async write(path: string, text: string) {
      if (path.endsWith("/period")) throw nodeError("EBUSY", "write");
      await kernel.files.write(path, text);
    },
  };
  const failed = linuxPwm(files, clock).output({ channel: 0, initial: SERVO });
  await expect(failed).rejects.toMatchObject({ fault: "unsupported" });
  await expect(failed).rejects.toThrow("another channel of this chip runs");
});

describe("a channel", () => {
  beforeEach(() => pi4());

  test("has one user in this program", async () => {
    const board = pwm();
    const output = await board.output({ channel: 0, initial: SERVO });
    await expect(board.output({ channel: 0, initial: SERVO })).rejects.toMatchObject({ fault: "taken" });
    await output.close();
    await board.output({ channel: 0, initial: SERVO });
  });

  test("keeps its wave when it is given back", async () => {
    const output = await pwm().output({ channel: 0, initial: SERVO });
    await output.close();
    expect(kernel.channel("pwmchip0", 0)).toMatchObject({ enabled: true, duty: 1_500_000 });
  });

  test("that a kernel driver uses is taken", async () => {
    kernel.takenByKernel = true;
    await expect(pwm().output({ channel: 0, initial: SERVO })).rejects.toMatchObject({ fault: "taken" });
  });

  test("waits for udev to give it to the group", async () => {
    kernel.usableAfterChecks = 5;
    await clock.run(pwm().output({ channel: 0, initial: SERVO }));
    expect(kernel.channel("pwmchip0", 0).enabled).toBe(true);
  });

  test("is denied where udev never does", async () => {
    kernel.usableAfterChecks = Number.POSITIVE_INFINITY;
    const failed = clock.run(pwm().output({ channel: 0, initial: SERVO }));
    await expect(failed).rejects.toMatchObject({
      fault: "denied",
      message: expect.stringContaining("group gpio"),
    });
  });
});
