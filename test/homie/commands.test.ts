import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { until } from "../mqtt/field-node.ts";
import { type HomieRig, startHomieRig } from "./homie-node.ts";

const PARTS = `sensors:
  - { id: air, driver: sht4x, interval: 1h }
expanders:
  leds: { chip: pca9685 }
actuators:
  - { id: relay, driver: digital_output, pin: 5 }
  - { id: Fan_1, driver: pwm, expander: leds, channel: 1, min: 20 }
  - { id: arm, driver: servo, expander: servos, channel: 1, min_angle: -45, max_angle: 90 }
  - { id: blind, driver: cover, open_pin: 6, close_pin: 7, open_time: 1s, dead_time: 100ms }
  - { id: all, driver: group, members: [relay, Fan_1] }`.replace(
  "leds: { chip: pca9685 }",
  "leds: { chip: pca9685, address: 0x41 }\n  servos: { chip: pca9685 }",
);

let rig: HomieRig;

beforeEach(async () => {
  rig = await startHomieRig();
  await rig.start(PARTS);
});

afterEach(() => rig.close());

describe("a Homie node is told", () => {
  test("a number within its range, and shows it", async () => {
    await rig.shows("fan-1/state", "0");
    await rig.set("fan-1/state", "42.5");
    await rig.shows("fan-1/state", "42.5");
    await rig.set("fan-1/state", "0");
    await rig.shows("fan-1/state", "0");
    for (const payload of ["19", "101", "on", "NaN"]) await rig.set("fan-1/state", payload);
    await until(() => rig.said("$log/warn").length > 0, 5_000, "a word");
    await pause(200);
    expect(rig.said("$log/warn")).toEqual(["rejected: fan-1/state takes 0 to 100"]);
    expect(rig.said("fan-1/state").at(-1)).toBe("0");
  });

  test("to let a servo go, which then is at no angle", async () => {
    await rig.set("arm/state", "-30");
    await rig.shows("arm/state", "-30");
    await rig.set("arm/action", "off");
    await rig.shows("arm/state", "");
  });

  test("where a cover goes, and shows which way and how far", async () => {
    await rig.set("blind/state", "close");
    await rig.shows("blind/state", "close");
    await rig.shows("blind/position", "0");
    await rig.shows("blind/state", "stop");
    const stops = () => rig.said("blind/state").filter((state) => state === "stop").length;
    const position = () => Number(rig.said("blind/position").at(-1));
    for (const [target, way] of [
      [40, "open"],
      [10, "close"],
    ] as const) {
      const before = { stops: stops(), position: position() };
      await rig.set("blind/position", String(target));
      await rig.shows("blind/state", way);
      await until(() => stops() > before.stops, 10_000, "standing still");
      // Where exactly is a matter of the machine's timers.
      await until(() => position() !== before.position, 5_000, "another position");
      expect(position() > before.position).toBe(way === "open");
    }
  });

  test("to switch a group, and shows what its members are", async () => {
    await rig.shows("all/state", "false");
    await rig.set("all/state", "true");
    await rig.shows("relay/state", "true");
    await rig.shows("fan-1/state", "100");
    await rig.shows("all/state", "true");
    await rig.set("relay/state", "false");
    await rig.shows("relay/state", "false");
    expect(rig.said("all/state").at(-1)).toBe("true");
    await rig.set("fan-1/state", "0");
    await rig.shows("all/state", "false");
  });

  test("to take a reading at once, by node/action", async () => {
    await until(() => rig.said("air/reading").length > 0, 5_000, "the first reading");
    const before = rig.said("air/reading").length;
    await rig.set("node/action", "sample");
    await until(() => rig.said("air/reading").length > before, 5_000, "another reading");
    expect(rig.said("node/action")).toEqual([]);
    await rig.set("node/action", "resend");
    await until(() => rig.said("$log/warn").length > 0, 5_000, "a word");
    expect(rig.said("$log/warn")[0]).toMatch(/^rejected: node\/action takes sample, restart/);
  });

  test("to start anew, by node/action", async () => {
    await rig.set("node/action", "restart");
    await until(
      () => rig.said("$state").join().endsWith("disconnected,init,ready"),
      10_000,
      () => `another run, but ${rig.said("$state")}`,
    );
  });
});
