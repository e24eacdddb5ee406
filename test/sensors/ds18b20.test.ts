import { expect, test } from "vitest";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { SimOneWire } from "../../src/device/sim/one-wire.ts";
import { World } from "../../src/device/sim/world.ts";
import { ds18b20 } from "../../src/sensors/ds18b20.ts";

const ID = "28-00000a1b2c3d";
const OTHER = "28-0316a2795aff";

function setUp(...ids: string[]) {
  const clock = new VirtualClock({ wallMs: 0 });
  const world = new World({ seed: 1, clock });
  const wire = new SimOneWire({ clock, world });
  for (const id of ids) wire.attach(id, id);
  return { clock, world, wire };
}

test("without an id the only thermometer on the bus is read", async () => {
  const { clock, world, wire } = setUp(ID);
  world.set("temperature", -10.125);
  const sensor = await ds18b20.open(wire, {});
  expect(await clock.run(sensor.read())).toEqual({ temperature: -10.125 });
});

test("among several the one that the configuration names is read", async () => {
  const { clock, world, wire } = setUp(ID, OTHER);
  world.set(`${OTHER}.temperature`, 30);
  const sensor = await ds18b20.open(wire, { wire_id: OTHER });
  expect(await clock.run(sensor.read())).toEqual({ temperature: 30 });
});

test("several without a choice are named in the error", async () => {
  const { wire } = setUp(ID, OTHER);
  await expect(ds18b20.open(wire, {})).rejects.toThrow(`${ID}, ${OTHER}`);
});

test("none at all is an absent one", async () => {
  const { wire } = setUp();
  await expect(ds18b20.open(wire, {})).rejects.toMatchObject({ fault: "absent" });
});

test.each([
  ["crc", "crc"],
  ["absent", "disconnected"],
  ["power_on", "power_on_value"],
  ["shorted", "disconnected"],
] as const)("the bus's fault %s is reported as %s, and the sensor recovers", async (simulated, fault) => {
  const { clock, world, wire } = setUp(ID);
  world.set("temperature", 21.5);
  const sensor = await ds18b20.open(wire, {});
  wire.fail(ID, simulated);
  await expect(clock.run(sensor.read())).rejects.toMatchObject({ name: "SensorError", fault });
  wire.fail(ID, undefined);
  expect(await clock.run(sensor.read())).toEqual({ temperature: 21.5 });
});
