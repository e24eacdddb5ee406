import { type Simulation, simulate } from "fieldpost";
import { afterEach, beforeEach, expect, test } from "vitest";

let greenhouse: Simulation;

beforeEach(async () => {
  greenhouse = await simulate({ config: new URL("./greenhouse.yaml", import.meta.url) });
});

afterEach(() => greenhouse.stop());

test("readings follow the world", async () => {
  await greenhouse.advance("25s");
  expect(greenhouse.messages("telemetry/air").map(({ json }) => json.temperature)).toEqual([21, 21, 21]);

  greenhouse.world.set("air.temperature", -4.5);
  await greenhouse.advance("10s");
  expect(greenhouse.messages("telemetry/air").at(-1)?.json.temperature).toBeCloseTo(-4.5, 1);
  expect(greenhouse.messages("telemetry/tank").at(-1)?.json.temperature).toBe(12.5);
});

test("a door that opens is told at once", async () => {
  await greenhouse.advance("1s");
  greenhouse.board.gpio.drive(17, 0);
  await greenhouse.advance("100ms");
  expect(greenhouse.messages("telemetry/door").at(-1)?.json).toMatchObject({ active: true });
});

test("a broken thermometer is reported, invents nothing and comes back by itself", async () => {
  await greenhouse.advance("25s");
  greenhouse.fault("tank", "power_on");
  const before = greenhouse.messages("telemetry/tank").length;
  await greenhouse.advance("1m");
  expect(greenhouse.messages("telemetry/tank")).toHaveLength(before);
  expect(JSON.parse(greenhouse.retained("fault/tank")!)).toMatchObject({
    error: expect.stringContaining("85"),
  });

  greenhouse.fault("tank", undefined);
  await greenhouse.advance("2m");
  expect(greenhouse.messages("telemetry/tank").length).toBeGreaterThan(before);
  expect(greenhouse.retained("fault/tank")).toBeUndefined();
});

test("an outage of an hour and a power cut lose nothing that had a second to settle", async () => {
  await greenhouse.advance("1m");
  greenhouse.broker.cut();
  await greenhouse.advance("1h");
  await greenhouse.restart("power_cut");
  await greenhouse.advance("1m");
  greenhouse.broker.restore();
  await greenhouse.advance("5m");

  expect(greenhouse.audit()).toMatchObject({ lost: 0, boots: 2 });
  expect(greenhouse.messages("telemetry/air").filter(({ json }) => json.historical).length).toBeGreaterThan(
    360,
  );
  expect(greenhouse.messages("event/boot").at(-1)?.json).toMatchObject({ reason: "power_cut" });
});

test("the pump obeys, answers, and stops by itself when the broker is gone for too long", async () => {
  await greenhouse.advance("1s");
  const result = await greenhouse.command("pump", { id: "a1", set: "on" });
  expect(result).toMatchObject({ id: "a1", status: "done", state: "on" });
  expect(greenhouse.board.gpio.level(22)).toBe(1);

  expect(await greenhouse.command("pump", { id: "a1", set: "on" })).toMatchObject({ status: "duplicate" });

  greenhouse.broker.cut();
  await greenhouse.advance("6m");
  expect(greenhouse.board.gpio.level(22)).toBe(0);
});
