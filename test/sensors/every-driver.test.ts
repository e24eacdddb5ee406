import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { deviceAt, I2cError } from "../../src/device/i2c.ts";
import { KernelChipError } from "../../src/device/kernel-chips.ts";
import { OneWireError } from "../../src/device/one-wire.ts";
import { seededRandom } from "../../src/device/random.ts";
import { SerialError } from "../../src/device/serial.ts";
import { createSimBoard, type SimBoard } from "../../src/device/sim/board.ts";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { applyFault } from "../../src/device/sim/faults.ts";
import { isLasting } from "../../src/device/sim/freeing.ts";
import type { SimI2cFault } from "../../src/device/sim/i2c.ts";
import { FAULTS, type FaultName } from "../../src/device/sim/settings.ts";
import { attachSensor, type Wire } from "../../src/device/sim/wiring.ts";
import { World } from "../../src/device/sim/world.ts";
import { SpiError } from "../../src/device/spi.ts";
import { settings } from "../../src/schema/settings.ts";
import {
  type AnySensorDriver,
  fieldsOf,
  type Measurements,
  type Sensor,
  SensorError,
} from "../../src/sensors/driver.ts";
import { withoutNode } from "../../src/sensors/messages.ts";
import { loadSensorDrivers } from "../../src/sensors/registry.ts";
import { DRIVER_CASES, type DriverCase, PLACE, type Point } from "./driver-cases.ts";

const sensorDrivers = await loadSensorDrivers();

/** Longest that a driver may be at one reading, whatever its bus does: milliseconds of virtual time. */
const READ_LIMIT_MS = 30_000;

interface Rig {
  readonly clock: VirtualClock;
  readonly board: SimBoard;
  readonly options: Record<string, unknown>;
  open(wire?: Wire): Promise<Sensor>;
  read(sensor: Sensor): Promise<Measurements>;
  arrange(point: Point): Promise<void>;
}

function rig(driver: AnySensorDriver, { options, wire, arrange }: DriverCase): Rig {
  const clock = new VirtualClock({ wallMs: Date.UTC(2026, 10, 23) });
  const random = seededRandom(7);
  const world = new World({ seed: 7, clock });
  const board = createSimBoard({ clock, random, world });
  const validated = v.parse(settings(driver.options as v.ObjectEntries), options) as Record<string, unknown>;
  if (wire) attachSensor(board, { sensor: PLACE, driver: driver.name, wire }, random);
  return {
    clock,
    board,
    options: validated,
    open: (at = wire) => clock.run(openOn(driver, board, validated, at), READ_LIMIT_MS),
    read: (sensor) => clock.run(sensor.read(), READ_LIMIT_MS),
    async arrange(point) {
      for (const [quantity, value] of Object.entries(point.world)) world.set(quantity, value);
      await arrange?.(board, clock, point);
    },
  };
}

async function openOn(
  driver: AnySensorDriver,
  board: SimBoard,
  options: Record<string, unknown>,
  wire: Wire | undefined,
): Promise<Sensor> {
  switch (driver.bus) {
    case "i2c":
      if (wire?.bus !== "i2c") throw new Error(`${driver.name} needs an I2C wire`);
      return driver.open(
        deviceAt(board.i2c(wire.devicePath), wire.address),
        options,
        board.clock,
        withoutNode,
      );
    case "spi": {
      if (wire?.bus !== "spi") throw new Error(`${driver.name} needs an SPI wire`);
      const { devicePath } = wire;
      const spi = await board.spi({ devicePath, mode: driver.modes[0]!, speedHz: driver.speedHz.default });
      return driver.open(spi, options, board.clock, withoutNode);
    }
    case "serial": {
      if (wire?.bus !== "serial") throw new Error(`${driver.name} needs a serial line`);
      const { devicePath } = wire;
      const port = await board.serial({ devicePath, baudRate: driver.baudRate });
      return driver.open(port, options, board.clock, withoutNode);
    }
    case "one_wire":
      return driver.open(board.oneWire, options, board.clock, withoutNode);
    case "gpio":
      return driver.open(board.gpio, options, board.clock, withoutNode);
    case "kernel":
      return driver.open({ chips: board.chips, at: undefined }, options, board.clock);
    case "host":
      return driver.open(board.host, options, board.clock, withoutNode);
  }
}

function expectPoint(measured: Measurements, { expect: expected }: Point): void {
  expect(Object.keys(measured).sort()).toEqual(Object.keys(expected).sort());
  for (const [field, wanted] of Object.entries(expected)) {
    const value = measured[field];
    if (typeof wanted === "boolean") {
      expect(value, field).toBe(wanted);
      continue;
    }
    expect(Number.isFinite(value), `${field} is finite`).toBe(true);
    if (wanted !== "finite") {
      expect(Math.abs((value as number) - wanted.value), field).toBeLessThanOrEqual(wanted.within);
    }
  }
}

const isTyped = (error: unknown) =>
  [SensorError, I2cError, SpiError, SerialError, OneWireError, KernelChipError].some(
    (type) => error instanceof type,
  );

/** The faults that this wire can have and that this chip can notice. */
function noticeableFaults({ wire, checksum, unnoticed = [] }: DriverCase): readonly FaultName[] {
  if (!wire || wire.bus === "gpio") return [];
  return FAULTS[wire.bus].filter((fault) => (checksum || fault !== "bad_crc") && !unnoticed.includes(fault));
}

const cased = [...sensorDrivers.values()]
  .filter(({ name }) => name in DRIVER_CASES)
  .map((driver) => ({ name: driver.name, driver, driverCase: DRIVER_CASES[driver.name]! }));

it("has a case for every driver of the registry", () => {
  expect(Object.keys(DRIVER_CASES).sort()).toEqual([...sensorDrivers.keys()].sort());
});

describe.each(cased)("$name", ({ driver, driverCase }) => {
  const [first, second] = driverCase.points;

  it("describes its fields as the contract asks", () => {
    const fields = fieldsOf(driver, rig(driver, driverCase).options);
    expect(Object.keys(fields).length).toBeGreaterThan(0);
    for (const [name, field] of Object.entries(fields)) {
      expect(name).toMatch(/^[a-z][a-z0-9_]*$/);
      expect(Number.isInteger(field.precision) && field.precision >= 0).toBe(true);
    }
  });

  it.each(driverCase.points.map((point) => ({ label: JSON.stringify(point.world), point })))(
    "reports its fields and nothing else, and rightly, in a world of $label",
    async ({ point }) => {
      const { open, read, arrange, options } = rig(driver, driverCase);
      const sensor = await open();
      await arrange(point);
      const measured = await read(sensor);
      expect(Object.keys(fieldsOf(driver, options))).toEqual(expect.arrayContaining(Object.keys(measured)));
      expectPoint(measured, point);
    },
  );

  it("follows the world from reading to reading", async () => {
    const { open, read, arrange } = rig(driver, driverCase);
    const sensor = await open();
    for (const point of [...driverCase.points, ...driverCase.points]) {
      await arrange(point);
      expectPoint(await read(sensor), point);
    }
  });

  it.each(noticeableFaults(driverCase))(
    "rejects with a typed error while its wire has %s, and measures afresh when it is mended",
    async (fault) => {
      const { board, open, read, arrange } = rig(driver, driverCase);
      const sensor = await open();
      await arrange(first);
      expectPoint(await read(sensor), first);
      applyFault(board, driverCase.wire!, fault);
      await arrange(second);
      for (let reading = 0; reading < 3; reading++) {
        await expect(read(sensor)).rejects.toSatisfy(isTyped);
      }
      applyFault(board, driverCase.wire!, undefined);
      await settleBus(board);
      expectPoint(await read(sensor), second);
    },
  );

  it.each(noticeableFaults(driverCase))("does not open, or opens, but never hangs on %s", async (fault) => {
    const { board, open, read } = rig(driver, driverCase);
    applyFault(board, driverCase.wire!, fault);
    const outcome = open().then(read);
    await expect(outcome).rejects.toSatisfy(isTyped);
  });

  if (driver.bus === "i2c" && driverCase.wire?.bus === "i2c") {
    const wire = driverCase.wire;

    it.each(
      noticeableFaults(driverCase).filter((fault) => fault !== "hang" && !isLasting(fault)) as SimI2cFault[],
    )(
      "gives a right reading or a typed error, never a wrong number, when any transfer may have %s",
      async (fault) => {
        const { board, open, read, arrange } = rig(driver, driverCase);
        const sensor = await open();
        board.simBus(wire.devicePath).fail(wire.address, { fault, probability: 0.1 });
        let good = 0;
        for (let reading = 0; reading < 60; reading++) {
          const point = driverCase.points[reading % driverCase.points.length]!;
          await arrange(point);
          const outcome = await read(sensor).catch((error: unknown) => error);
          if (outcome instanceof Error) expect(isTyped(outcome)).toBe(true);
          else expectPoint(outcome as Measurements, point);
          if (!(outcome instanceof Error)) good++;
        }
        expect(good).toBeGreaterThan(0);
        expect(good).toBeLessThan(60);
      },
    );

    it("measures again after the chip alone lost power for a moment", async () => {
      const { board, clock, open, read, arrange } = rig(driver, driverCase);
      const sensor = await open();
      await arrange(first);
      await read(sensor);
      board.simBus(wire.devicePath).chip(wire.address)!.reset!();
      await arrange(second);
      const outcome = await read(sensor).catch((error: unknown) => error);
      if (outcome instanceof Error) expect(isTyped(outcome)).toBe(true);
      else expectPoint(outcome as Measurements, second);
      await clock.advance(100);
      expectPoint(await read(sensor), second);
    });

    it("shares its bus with another of its kind without their transfers overlapping", async () => {
      const { board, clock, open, arrange } = rig(driver, driverCase);
      const other: Wire = {
        ...wire,
        address: driver.addresses.find((address) => address !== wire.address)!,
      };
      attachSensor(board, { sensor: PLACE, driver: driver.name, wire: other }, seededRandom(8));
      const [one, two] = [await open(), await open(other)];
      await arrange(first);
      const both = await clock.run(Promise.all([one.read(), two.read()]), READ_LIMIT_MS);
      expect(board.simBus(wire.devicePath).overlaps).toBe(0);
      for (const measured of both) expectPoint(measured, first);
    });

    it("refuses what is not its chip: silence, zeros and ones", async () => {
      for (const fill of [0x00, 0xff]) {
        const { board, open, read } = rig(driver, driverCase);
        const bus = board.simBus(wire.devicePath);
        bus.attach(wire.address, { write() {}, read: (length) => new Uint8Array(length).fill(fill) });
        await expect(open().then(read)).rejects.toSatisfy(isTyped);
      }
      const { board, open } = rig(driver, driverCase);
      board.simBus(wire.devicePath).detach(wire.address);
      await expect(open()).rejects.toMatchObject({ name: "I2cError", fault: "absent" });
    });
  }
});

/** Lets what the wire still owed come to its end, so that a reading after a mend starts on a free bus. */
async function settleBus(board: SimBoard): Promise<void> {
  await (board.clock as VirtualClock).advance(5_000);
}
