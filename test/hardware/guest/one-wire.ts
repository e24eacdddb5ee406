import assert from "node:assert/strict";
import { test } from "node:test";
import { linuxBoard } from "../../../src/device/linux/board.ts";
import { linuxClock } from "../../../src/device/linux/clock.ts";
import { SensorError } from "../../../src/sensors/driver.ts";
import { ds18b20 } from "../../../src/sensors/ds18b20.ts";
import { eventually, loadModule, read, setParameter } from "./kernel.ts";

/** The chips of w1_sim.c. */
const FIRST = "28-009876543210";
const SECOND = "28-009876543211";

/** Faults of w1_sim.c. */
const FAULT = { none: 0, absent: 1, wrongCrc: 2, staysAtPowerOn: 3 } as const;

const { oneWire } = linuxBoard({ clock: linuxClock() });
const readFirst = async () => (await ds18b20.open(oneWire, { wire_id: FIRST })).read();
const found = () => read("/sys/bus/w1/devices/w1_bus_master1/w1_master_slaves").split("\n");

test("a kernel without a 1-Wire master has no thermometers", async () => {
  assert.deepEqual(await oneWire.ids(), []);
});

test("the thermometers on the bus are found by the kernel's own search", async () => {
  loadModule("w1_sim");
  await eventually("both found", () => found().length === 2 && found().includes(FIRST));
  assert.deepEqual([...(await oneWire.ids())].sort(), [FIRST, SECOND]);
});

for (const milliCelsius of [21_500, 125_000, 0, -62, -10_125, -55_000]) {
  test(`${milliCelsius / 1000} °C is read as the chip's nearest sixteenth`, async () => {
    setTemperature(milliCelsius);
    const { temperature } = await readFirst();
    assert.equal(temperature, Math.trunc((Math.round((milliCelsius * 16) / 1000) * 1000) / 16) / 1000);
  });
}

test("several thermometers are told apart, and the configuration is asked which is meant", async () => {
  setParameter("w1_sim", "temperature", "10000,30000");
  const second = await ds18b20.open(oneWire, { wire_id: SECOND });
  const [first, other] = await Promise.all([readFirst(), second.read()]);
  assert.deepEqual([first.temperature, other.temperature], [10, 30]);
  await assert.rejects(ds18b20.open(oneWire, {}), { fault: "wrong_chip", message: /wire_id/ });
});

test("85 °C that no conversion produced is no reading", async () => {
  await withFault(FAULT.staysAtPowerOn, () => rejects("power_on_value"));
});

test("a wrong checksum is no reading, least of all 0 °C", async () => {
  await withFault(FAULT.wrongCrc, () => rejects("disconnected", "crc"));
});

test("a thermometer that has just gone is no reading", async () => {
  await withFault(FAULT.absent, () => rejects("disconnected"));
});

test("a shorted bus is no reading, though its checksum is right", async () => {
  setParameter("w1_sim", "shorted", 1);
  await rejects("disconnected");
  setParameter("w1_sim", "shorted", 0);
  await readFirst();
});

test("a thermometer that the kernel has given up is absent, and is found again", async () => {
  await withFault(FAULT.absent, async () => {
    await eventually("given up", () => !found().includes(FIRST));
    await assert.rejects(readFirst(), { name: "OneWireError", fault: "absent", message: new RegExp(SECOND) });
  });
  await eventually("found again", () => found().includes(FIRST));
  await readFirst();
});

test("a lower resolution measures in steps of half a degree, in an eighth of the time", async () => {
  setTemperature(21_300);
  const coarse = await ds18b20.open(oneWire, { wire_id: FIRST, resolution: 9 });
  const startMs = performance.now();
  const { temperature } = await coarse.read();
  assert.equal(temperature, 21);
  assert.ok(performance.now() - startMs < 500, `${performance.now() - startMs} ms`);
  await ds18b20.open(oneWire, { wire_id: FIRST, resolution: 12 });
  assert.equal((await readFirst()).temperature, 21.312);
});

function setTemperature(milliCelsius: number): void {
  setParameter("w1_sim", "temperature", `${milliCelsius},22500`);
}

async function withFault(fault: number, work: () => Promise<unknown>): Promise<void> {
  setParameter("w1_sim", "fault", `${fault},0`);
  try {
    await work();
  } finally {
    setParameter("w1_sim", "fault", "0,0");
  }
}

async function rejects(...faults: readonly SensorError["fault"][]): Promise<void> {
  const result = await readFirst().catch((error: unknown) => error);
  assert.ok(result instanceof SensorError, `read ${JSON.stringify(result)}`);
  assert.ok(faults.includes(result.fault), result.message);
}
