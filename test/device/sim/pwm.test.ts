import { expect, test } from "vitest";
import { wave } from "../../../src/device/pwm.ts";
import { VirtualClock } from "../../../src/device/sim/clock.ts";
import { SimPwm } from "../../../src/device/sim/pwm.ts";

const clock = new VirtualClock({ wallMs: 0 });

test("a channel keeps what it was told, with the time", async () => {
  const pwm = new SimPwm({ clock });
  const output = await pwm.output({ channel: 1, inverted: true, initial: wave(50, 0) });
  await clock.advance(1_000);
  await output.set(wave(50, 0.075));
  const [first, second] = pwm.history(1);
  expect(first).toMatchObject({ periodNs: 20_000_000, pulseNs: 0, inverted: true });
  expect(second).toMatchObject({ pulseNs: 1_500_000 });
  expect(second!.monotonicMs - first!.monotonicMs).toBe(1_000);
  expect(await output.get()).toEqual(wave(50, 0.075));
});

test("a channel has one user, and is free again when it is closed", async () => {
  const pwm = new SimPwm({ clock });
  const output = await pwm.output({ channel: 0, initial: wave(50, 0) });
  await expect(pwm.output({ channel: 0, initial: wave(50, 0) })).rejects.toMatchObject({ fault: "taken" });
  await output.close();
  await pwm.output({ channel: 0, initial: wave(50, 0) });
});

test("what is not there is refused as on a real board", async () => {
  const pwm = new SimPwm({ clock });
  const initial = wave(50, 0);
  await expect(pwm.output({ chip: "pwmchip3", channel: 0, initial })).rejects.toMatchObject({
    fault: "no_chip",
  });
  await expect(pwm.output({ channel: 2, initial })).rejects.toMatchObject({ fault: "no_channel" });
});

test("a channel that refuses keeps its wave", async () => {
  const pwm = new SimPwm({ clock });
  const output = await pwm.output({ channel: 0, initial: wave(50, 0.1) });
  pwm.refuse(0, true);
  await expect(output.set(wave(50, 0.9))).rejects.toMatchObject({ name: "PwmError", fault: "io" });
  expect(await output.get()).toEqual(wave(50, 0.1));
  expect(pwm.history(0)).toHaveLength(1);
});
