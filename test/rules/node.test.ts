import { describe, expect, test } from "vitest";
import { simulate } from "../../src/simulate/simulate.ts";

const greenhouse = (rules: string, more = "") => `
device: { id: g1 }
mqtt: { url: mqtt://b }
location: { time_zone: Europe/Berlin }
sensors:
  - { id: air, driver: bme280, interval: 10s }
  - { id: door, driver: digital_input, pin: 17 }
actuators:
  - { id: fan, driver: digital_output, pin: 22, ${more} }
  - { id: lamp, driver: digital_output, pin: 23 }
rules:
${rules}
`;
const COOL =
  "  - { id: cool, when: { sensor: air, field: temperature, above: 30, below: 28, for: 60s }, set: { fan: on }, otherwise: { fan: off } }";

describe("the rule of the contract, in a whole node", () => {
  test("switches on after a minute above its bound, off below the other one, and says which rule it was", async () => {
    const node = await simulate({ config: greenhouse(COOL) });
    const fan = () => node.board.gpio.level(22);
    node.world.set("air.temperature", 31);
    await node.advance("60s");
    expect(fan()).toBe(0);
    await node.advance("11s");
    expect(fan()).toBe(1);
    node.world.set("air.temperature", 29);
    await node.advance("5m");
    expect(fan()).toBe(1);
    node.world.set("air.temperature", 27);
    await node.advance("11s");
    expect(fan()).toBe(0);
    const events = node.messages("event/actuator").map(({ json }) => json);
    expect(events.filter(({ actuator, cause }) => actuator === "fan" && cause === "rule")).toMatchObject([
      { state: "on", rule: "cool" },
      { state: "off", rule: "cool" },
    ]);
    expect(JSON.parse(node.retained("about")!).rules).toEqual([
      {
        id: "cool",
        when: "air.temperature above 30 until below 28, for 1m",
        set: { fan: "on" },
        otherwise: { fan: "off" },
      },
    ]);
    await node.stop();
  });

  test("works without a broker", async () => {
    const node = await simulate({ config: greenhouse(COOL) });
    node.broker.cut();
    node.world.set("air.temperature", 35);
    await node.advance("2m");
    expect(node.board.gpio.level(22)).toBe(1);
    await node.stop();
  });

  test("makes its actuator safe when the sensor falls silent", async () => {
    const node = await simulate({ config: greenhouse(COOL) });
    node.world.set("air.temperature", 35);
    await node.advance("2m");
    node.fault("air", "no_ack");
    await node.advance("45s");
    expect(node.board.gpio.level(22)).toBe(1);
    await node.advance("20s");
    expect(node.board.gpio.level(22)).toBe(0);
    await node.stop();
  });

  test("keeps off for `override` after a command", async () => {
    const node = await simulate({ config: greenhouse(COOL.replace("set:", "override: 30m, set:")) });
    node.world.set("air.temperature", 35);
    await node.advance("2m");
    expect(await node.command("fan", "off")).toMatchObject({ status: "done", state: "off" });
    await node.advance("29m");
    expect(node.board.gpio.level(22)).toBe(0);
    await node.advance("61s");
    expect(node.board.gpio.level(22)).toBe(1);
    await node.stop();
  });
});
