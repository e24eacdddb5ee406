import { describe, expect, test } from "vitest";
import { VirtualClock } from "../../../src/device/sim/clock.ts";
import { SimOneWire } from "../../../src/device/sim/one-wire.ts";
import { World } from "../../../src/device/sim/world.ts";

const ID = "28-00000a1b2c3d";

function rig(temperature: number) {
  const clock = new VirtualClock({ wallMs: 0, monotonicMs: 0 });
  const oneWire = new SimOneWire({ clock, world: new World({ seed: 1, clock, spec: { temperature } }) });
  oneWire.attach(ID, "tank");
  return { clock, oneWire, text: () => clock.run(oneWire.readThermometer(ID)) };
}

describe("the simulated 1-Wire bus", () => {
  test("writes the text that the kernel's documentation shows", async () => {
    expect(await rig(23.125).text()).toBe(
      "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n",
    );
  });

  test("writes temperatures below zero in two's complement, cut to milli-degrees as the kernel does", async () => {
    expect(await rig(-5.0625).text()).toMatch(/^af ff .* YES\n.* t=-5062\n$/);
    expect(await rig(-55).text()).toMatch(/^90 fc .* YES\n.* t=-55000\n$/);
  });

  test("takes the time of a conversion, and one after the other", async () => {
    const { clock, oneWire } = rig(20);
    oneWire.attach("28-00000a1b2c3e", "pipe");
    await clock.run(Promise.all((await oneWire.ids()).map((id) => oneWire.readThermometer(id))));
    expect(clock.monotonicMs()).toBe(1_500);
  });

  test.each([
    ["absent", ""],
    ["shorted", `${"00 ".repeat(9)}: crc=00 YES\n${"00 ".repeat(9)}t=0\n`],
    ["power_on", "50 05 4b 46 7f ff 0c 10 1c : crc=1c YES\n50 05 4b 46 7f ff 0c 10 1c t=85000\n"],
  ] as const)("answers with the kernel's text for %s", async (fault, expected) => {
    const { oneWire, text } = rig(20);
    oneWire.fail(ID, fault);
    expect(await text()).toBe(expected);
    oneWire.fail(ID, undefined);
    expect(await text()).toContain("t=20000");
  });

  test("says NO to a wrong checksum", async () => {
    const { oneWire, text } = rig(20);
    oneWire.fail(ID, "crc");
    expect(await text()).toMatch(/ : crc=[0-9a-f]{2} NO\n/);
  });

  test("does not know a thermometer that was never there or was taken away", async () => {
    const { clock, oneWire } = rig(20);
    await expect(clock.run(oneWire.readThermometer("28-000000000000"))).rejects.toMatchObject({
      fault: "absent",
    });
    oneWire.detach(ID);
    expect(await oneWire.ids()).toEqual([]);
    await expect(clock.run(oneWire.readThermometer(ID))).rejects.toMatchObject({ fault: "absent" });
  });
});
