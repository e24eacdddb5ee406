import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { deviceAt, type I2cDevice } from "../../src/device/i2c.ts";
import { seededRandom } from "../../src/device/random.ts";
import { createSimBoard } from "../../src/device/sim/board.ts";
import {
  rawHumidity,
  rawPressure,
  rawTemperature,
  fineTemperature as simFineTemperature,
  TRIM,
} from "../../src/device/sim/chips/bme280-inverse.ts";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { attachSensor } from "../../src/device/sim/wiring.ts";
import { World } from "../../src/device/sim/world.ts";
import { bme280, compensate, decode, maxConversionMs } from "../../src/sensors/bme280.ts";
import {
  type Calibration,
  celsius,
  decodeCalibration,
  fineTemperature,
  pascal,
  percentHumidity,
} from "../../src/sensors/bme280-compensation.ts";

/** T and P of the worked example that Bosch prints for the BMP280's identical formulas (BST-BMP280-DS001, 3.12). */
const CALIBRATION: Calibration = { T: TRIM.T, P: TRIM.P, H: TRIM.H };

describe("the compensation", () => {
  test("gives the datasheet's worked example", () => {
    const fine = fineTemperature(519_888, CALIBRATION);
    expect(Math.trunc(fine)).toBe(128_422);
    expect(celsius(fine)).toBeCloseTo(25.08, 2);
    expect(pascal(415_148, fine, CALIBRATION)).toBeCloseTo(100_653.27, 1);
  });

  test("agrees with the datasheet's integer formulas over the whole range, below zero too", () => {
    const climate = fc.record({
      temperature: fc.double({ min: -39.9, max: 84.9, noNaN: true }),
      pressure: fc.double({ min: 301, max: 1_099, noNaN: true }),
      humidity: fc.double({ min: 0, max: 100, noNaN: true }),
    });
    fc.assert(
      fc.property(climate, ({ temperature, pressure, humidity }) => {
        const raw = rawTemperature(temperature);
        const fine = simFineTemperature(raw);
        const measured = compensate(
          {
            temperature: raw,
            pressure: rawPressure(pressure * 100, fine),
            humidity: rawHumidity(humidity, fine),
          },
          CALIBRATION,
        );
        expect(Math.abs((measured["temperature"] as number) - temperature)).toBeLessThan(0.01);
        expect(Math.abs((measured["pressure"] as number) - pressure)).toBeLessThan(0.1);
        expect(Math.abs((measured["humidity"] as number) - humidity)).toBeLessThan(0.1);
      }),
    );
  });

  test("keeps humidity within 0..100 %", () => {
    const fine = fineTemperature(519_888, CALIBRATION);
    expect(percentHumidity(0, fine, CALIBRATION)).toBe(0);
    expect(percentHumidity(0xffff, fine, CALIBRATION)).toBe(100);
  });
});

describe("the calibration block", () => {
  const low = new Uint8Array(26);
  const view = new DataView(low.buffer);
  [27_504, 26_435, -1_000, 36_477, -10_685, 3_024, 2_855, 140, -7, 15_500, -14_600, 6_000].forEach(
    (value, index) => {
      view.setInt16(2 * index, value, true);
    },
  );
  low[25] = 75;

  test("is decoded with its signs", () => {
    const { T, P, H } = decodeCalibration(low, Uint8Array.of(0x72, 0x01, 0x00, 0x13, 0x29, 0x03, 0x1e));
    expect(T).toEqual(TRIM.T);
    expect(P).toEqual(TRIM.P);
    expect(H).toEqual([75, 370, 0, 0x139, 0x32, 30]);
  });

  test("holds two signed 12-bit numbers in three bytes", () => {
    const signed12 = fc.integer({ min: -2_048, max: 2_047 });
    fc.assert(
      fc.property(signed12, signed12, (h4, h5) => {
        const high = Uint8Array.of(0, 0, 0, h4 >> 4, ((h5 & 0x0f) << 4) | (h4 & 0x0f), h5 >> 4, 0);
        const { H } = decodeCalibration(low, high);
        expect([H[3], H[4]]).toEqual([h4, h5]);
      }),
    );
  });

  test("is refused when it is empty", () => {
    expect(() => decodeCalibration(new Uint8Array(26), new Uint8Array(7))).toThrow("calibration is empty");
  });
});

describe("a measurement", () => {
  test("is taken from its eight bytes", () => {
    expect(decode(Uint8Array.of(0x65, 0x5a, 0xc0, 0x7e, 0xed, 0x00, 0x6a, 0x0b))).toEqual({
      pressure: 415_148,
      temperature: 519_888,
      humidity: 0x6a0b,
    });
  });

  test.each([
    ["pressure", [0x80, 0, 0, 0x7e, 0xed, 0, 0x6a, 0x0b]],
    ["temperature", [0x65, 0x5a, 0xc0, 0x80, 0, 0, 0x6a, 0x0b]],
    ["humidity", [0x65, 0x5a, 0xc0, 0x7e, 0xed, 0, 0x80, 0]],
  ])("is refused when %s was skipped", (_quantity, bytes) => {
    expect(() => decode(Uint8Array.from(bytes))).toThrow(
      expect.objectContaining({ fault: "power_on_value" }),
    );
  });

  test("is refused outside the operating range", () => {
    const outside = () =>
      compensate({ temperature: 0xfffff, pressure: 415_148, humidity: 0x6a0b }, CALIBRATION);
    expect(outside).toThrow(expect.objectContaining({ fault: "out_of_range" }));
  });

  test("has the longest time that the datasheet states for its oversampling", () => {
    expect(maxConversionMs(1)).toBeCloseTo(9.3, 6);
    expect(maxConversionMs(16)).toBeCloseTo(112.8, 6);
  });
});

function rig() {
  const clock = new VirtualClock({ wallMs: 0 });
  const random = seededRandom(3);
  const world = new World({ seed: 3, clock, spec: { temperature: -7.5, humidity: 80, pressure: 990 } });
  const board = createSimBoard({ clock, random, world });
  const wire = { bus: "i2c", devicePath: "/dev/i2c-1", address: 0x76 } as const;
  attachSensor(board, { sensor: "air", driver: "bme280", wire }, random);
  return {
    clock,
    world,
    bus: board.simBus(wire.devicePath),
    device: deviceAt(board.i2c(wire.devicePath), 0x76),
  };
}

const DEFAULTS = { oversampling: 1, iir_filter: 0 } as const;

/** The device with one register's answer replaced. */
function lying(device: I2cDevice, register: number, answer: number): I2cDevice {
  return {
    address: device.address,
    exchange: async (write, readLength) => {
      const bytes = await device.exchange(write, readLength);
      return write[0] === register && readLength === 1 ? Uint8Array.of(answer) : bytes;
    },
  };
}

describe("the driver", () => {
  test.each([
    [0x58, "BMP280"],
    [0x61, "BME680"],
    [0x00, "unknown chip"],
  ])("names the chip that it found instead: id %i is a %s", async (id, name) => {
    const { clock, device } = rig();
    const opening = clock.run(bme280.open(lying(device, 0xd0, id), DEFAULTS, clock));
    await expect(opening).rejects.toMatchObject({
      fault: "wrong_chip",
      message: expect.stringContaining(name),
    });
  });

  test("gives up on a chip that measures for ever, in bounded time", async () => {
    const { clock, device } = rig();
    const sensor = await clock.run(bme280.open(device, DEFAULTS, clock));
    expect(await clock.run(sensor.read())).toBeTruthy();
    const stuck = await clock.run(bme280.open(lying(device, 0xf3, 0x08), DEFAULTS, clock));
    const startMs = clock.monotonicMs();
    await expect(clock.run(stuck.read())).rejects.toMatchObject({ fault: "not_ready" });
    expect(clock.monotonicMs() - startMs).toBeLessThan(200);
  });

  test("gives up on a chip that never loads its calibration", async () => {
    const { clock, device } = rig();
    const opening = clock.run(bme280.open(lying(device, 0xf3, 0x01), DEFAULTS, clock));
    await expect(opening).rejects.toMatchObject({ fault: "not_ready" });
  });

  test("sets the oversampling of humidity before that of the others, which makes it take effect", async () => {
    const { clock, device, bus } = rig();
    const sensor = await clock.run(bme280.open(device, { oversampling: 4, iir_filter: 16 }, clock));
    bus.log.length = 0;
    await clock.run(sensor.read());
    expect(bus.log.slice(0, 3).map(({ write }) => [...write])).toEqual([
      [0xf5, 0b100_00],
      [0xf2, 0b011],
      [0xf4, 0b011_011_01],
    ]);
  });

  test("tells the reset values after a loss of power in mid-measurement from a reading", async () => {
    const { clock, device, bus } = rig();
    const sensor = await clock.run(bme280.open(device, DEFAULTS, clock));
    const reading = sensor.read();
    reading.catch(() => {});
    await clock.advance(5);
    bus.chip(0x76)!.reset!();
    await expect(clock.run(reading)).rejects.toMatchObject({ fault: "power_on_value" });
    await expect(clock.run(sensor.read())).resolves.toMatchObject({ temperature: expect.closeTo(-7.5, 1) });
  });

  test("takes a value that happens to be a skipped channel's for a reading where no channel is skipped", async () => {
    const { clock, device } = rig();
    const sensor = await clock.run(
      bme280.open({ ...device, exchange: withHumidity([0x80, 0x00]) }, DEFAULTS, clock),
    );
    const { humidity } = await clock.run(sensor.read());
    expect(humidity).toBeGreaterThan(0);

    function withHumidity(reading: readonly number[]): typeof device.exchange {
      return async (write, length, ...more) => {
        const bytes = Uint8Array.from(await device.exchange(write, length, ...more));
        if (write[0] === 0xf7) bytes.set(reading, 6);
        return bytes;
      };
    }
  });

  test("smooths a step of temperature with the chip's filter", async () => {
    const { clock, device, world } = rig();
    const sensor = await clock.run(bme280.open(device, { oversampling: 1, iir_filter: 4 }, clock));
    await clock.run(sensor.read());
    world.set("temperature", 12.5);
    const { temperature } = await clock.run(sensor.read());
    expect(temperature).toBeGreaterThan(-4);
    expect(temperature).toBeLessThan(0);
  });
});
