import assert from "node:assert/strict";
import { test } from "node:test";
import { linuxBoard } from "../../../src/device/linux/board.ts";
import { linuxClock } from "../../../src/device/linux/clock.ts";
import { max31855 } from "../../../src/sensors/max31855.ts";
import { max31865 } from "../../../src/sensors/max31865.ts";
import { mcp3008 } from "../../../src/sensors/mcp3008.ts";
import { loadModule, read, setParameter } from "./kernel.ts";

/** The chips of spi_sim.c by their chip selects. */
const [ADC, THERMOCOUPLE, PLATINUM] = ["/dev/spidev0.0", "/dev/spidev0.1", "/dev/spidev0.2"] as const;

const clock = linuxClock();
const set = (name: string, value: string | number) => setParameter("spi_sim", name, value);
const controller = (name: string) => Number(read(`/sys/module/spi_sim/parameters/${name}`));

async function adc(channels: Parameters<typeof mcp3008.open>[1]["channels"], reference = 3.3) {
  const device = await linuxBoard({ clock }).spi({ devicePath: ADC, mode: 0, speedHz: 1_350_000 });
  return mcp3008.open(device, { channels, reference });
}

const channel = (name: string, input: "ch0" | "ch7" | "ch0-ch1" | "ch1-ch0") => ({
  name,
  input,
  scale: 1,
  offset: 0,
  unit: "V",
});

test("a kernel without SPI says how to get it", async () => {
  const device = await linuxBoard({ clock }).spi({ devicePath: ADC, mode: 0, speedHz: 1_000 });
  await assert.rejects(device.transfer([0]), {
    name: "SpiError",
    fault: "no_bus",
    message: /dtparam=spi=on/,
  });
  loadModule("spi_sim");
});

test("the MCP3008 driver reads single inputs and pairs", async () => {
  set("adc", "512,100,0,0,0,0,0,1023");
  const sensor = await adc(
    [channel("a", "ch0"), channel("b", "ch7"), channel("c", "ch0-ch1"), channel("d", "ch1-ch0")],
    1.024,
  );
  const { a, b, c, d } = await sensor.read();
  const millivolts = [a, b, c, d].map((volts) => Math.round(1_000 * volts!));
  assert.deepEqual(millivolts, [512, 1_023, 412, 0]);
});

test("mode and clock rate reach the controller", async () => {
  await (await adc([channel("a", "ch0")])).read();
  assert.deepEqual([controller("mode"), controller("speed")], [0, 1_350_000]);
  const device = await linuxBoard({ clock }).spi({ devicePath: PLATINUM, mode: 3, speedHz: 500_000 });
  await device.transfer([0, 0]);
  assert.deepEqual([controller("mode"), controller("speed")], [3, 500_000]);
});

for (const [name, errno, fault] of [
  ["EIO", 5, "io"],
  ["ETIMEDOUT", 110, "timeout"],
  ["EINVAL", 22, "unsupported"],
] as const) {
  test(`a controller's ${name} is "${fault}", and the chip is read again after it`, async () => {
    const sensor = await adc([channel("a", "ch0")]);
    set("fail", errno);
    await assert.rejects(sensor.read(), { name: "SpiError", fault }).finally(() => set("fail", 0));
    set("adc", "1,0,0,0,0,0,0,0");
    assert.deepEqual(await sensor.read(), { a: 3.3 / 1_024 });
  });
}

test("the MAX31855 driver reads both temperatures, and no thermocouple is none", async () => {
  const device = await linuxBoard({ clock }).spi({ devicePath: THERMOCOUPLE, mode: 0, speedHz: 1_000_000 });
  const sensor = await max31855.open(device);
  // -250 °C and -20 °C (19-5793, tables 4 and 5), then an open thermocouple.
  set("frame", 0xf0_60_ec_00);
  assert.deepEqual(await sensor.read(), { temperature: -250, cold_junction_temperature: -20 });
  set("frame", 0x00_01_19_01);
  await assert.rejects(sensor.read(), { fault: "disconnected", message: /open/ });
  set("frame", 0);
  await assert.rejects(sensor.read(), { fault: "disconnected", message: /no MAX31855/ });
});

test("the MAX31865 driver sets its chip up, reads it and lets go of the current", async () => {
  const device = await linuxBoard({ clock }).spi({ devicePath: PLATINUM, mode: 1, speedHz: 1_000_000 });
  const sensor = await max31865.open(
    device,
    { element: "pt100", wires: 3, reference: 400, mains: 50 },
    clock,
  );
  const registers = () => read("/sys/module/spi_sim/parameters/registers").split(",").map(Number);
  // This chip does what it is told and no more: the end of a conversion comes from outside.
  const reading = sensor.read();
  const asked = setInterval(() => {
    if (registers()[0] === 0xb1) set("registers", "145,38,144,255,255,0,0,0");
  }, 1);
  const { temperature } = await reading;
  clearInterval(asked);
  // 0x2690: -100 °C (19-6478, table 9).
  assert.ok(Math.abs(temperature - -100) < 0.1, String(temperature));
  assert.equal(registers()[0], 0x11);
});
