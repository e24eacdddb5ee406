import type { SimBoard } from "../../src/device/sim/board.ts";
import type { VirtualClock } from "../../src/device/sim/clock.ts";
import type { FaultName } from "../../src/device/sim/settings.ts";
import type { Wire } from "../../src/device/sim/wiring.ts";

/** What a field must be: this value, near it, or any finite number where the world does not decide it alone. */
export type Expectation = boolean | "finite" | { readonly value: number; readonly within: number };

/** A state of the world and what a sensor in it must report, within the chip's stated accuracy. */
export interface Point {
  readonly world: Readonly<Record<string, number>>;
  readonly expect: Readonly<Record<string, Expectation>>;
}

/** How the contract suite runs one driver of the registry. */
export interface DriverCase {
  readonly options: Readonly<Record<string, unknown>>;
  /** What hangs where; absent: the driver measures the machine itself. */
  readonly wire?: Wire;
  /** Whether the chip guards its answers by a checksum: without one, a flipped bit cannot be told from a reading. */
  readonly checksum: boolean;
  /** Faults whose answer could as well be a reading. */
  readonly unnoticed?: readonly FaultName[];
  /** Worlds to measure, one below zero where the chip can. */
  readonly points: readonly [Point, Point, ...Point[]];
  /** Does to the opened sensor's lines what the world cannot: a level, a train of pulses. */
  readonly arrange?: (board: SimBoard, clock: VirtualClock, point: Point) => Promise<void>;
}

export const PLACE = "probe";

const I2C = { bus: "i2c", devicePath: "/dev/i2c-1" } as const;

const near = (value: number, within: number) => ({ value, within });

function climate(
  temperature: number,
  humidity: number,
  pressure: number,
  accuracy: readonly number[],
): Point {
  const [ofTemperature = 0, ofHumidity = 0, ofPressure = 0] = accuracy;
  return {
    world: { temperature, humidity, pressure },
    expect: {
      temperature: near(temperature, ofTemperature),
      humidity: near(humidity, ofHumidity),
      ...(ofPressure > 0 && { pressure: near(pressure, ofPressure) }),
    },
  };
}

function voltages(a0: number, a1: number, lsb: number): Point {
  return {
    world: { a0, a1 },
    expect: { level: near(a0, lsb), difference: near((a0 - a1) * 10 - 1, 10 * lsb) },
  };
}

function machine(cpuTemperature: number, availableBytes: number): Point {
  return {
    world: {
      cpu_temperature: cpuTemperature,
      load1: 0.4,
      memory_available: availableBytes,
      disk_available: 4e9,
    },
    expect: {
      cpu_temperature: near(cpuTemperature, 0),
      load_1m: near(0.4, 0),
      memory_used: near(100 - (100 * availableBytes) / 1024 ** 3, 1e-6),
      disk_free: near(25, 1e-6),
      uptime: "finite",
    },
  };
}

/** Within half of the chip's sixteenth of a degree, which the kernel cuts to milli-degrees. */
function thermometer(temperature: number): Point {
  return { world: { temperature }, expect: { temperature: near(temperature, 0.5 / 16 + 0.001) } };
}

/** Within half a step of the converter, 3.3 V / 1024. */
function converted(ch0: number, ch2: number, ch3: number): Point {
  const within = 3.3 / 2_048 + 1e-9;
  return {
    world: { ch0, ch2, ch3 },
    expect: { level: near(ch0, within), difference: near((ch2 - ch3) * 100 - 5, 100 * within) },
  };
}

function thermocouple(temperature: number, junction: number): Point {
  return {
    world: { temperature, cold_junction_temperature: junction },
    expect: { temperature: near(temperature, 0.125), cold_junction_temperature: near(junction, 1 / 32) },
  };
}

/** Within half a step of the converter, 430 Ω / 32768, of a Pt100 where it is least sensitive. */
function platinum(temperature: number): Point {
  return { world: { temperature }, expect: { temperature: near(temperature, 0.025) } };
}

function dust(pm1: number, pm2_5: number, pm10: number): Point {
  return {
    world: { pm1, pm2_5, pm10 },
    expect: { pm1: near(pm1, 0), pm2_5: near(pm2_5, 0), pm10: near(pm10, 0) },
  };
}

function carbonDioxide(ppm: number): Point {
  return { world: { carbon_dioxide: ppm }, expect: { carbon_dioxide: near(ppm, 0) } };
}

function pulses(count: number): Point {
  return { world: { pulses: count }, expect: { count: near(count, 0), total: "finite", rate: "finite" } };
}

// The tolerances are those of the arithmetic, well inside the chips' own accuracy: a simulated chip has no error.
const BME280_ACCURACY = [0.02, 0.1, 0.1];
const SHT4X_ACCURACY = [0.01, 0.01];

export const DRIVER_CASES: Readonly<Record<string, DriverCase>> = {
  bme280: {
    options: {},
    wire: { ...I2C, address: 0x76 },
    checksum: false,
    points: [
      climate(21.4, 48, 1_013.25, BME280_ACCURACY),
      climate(-17.3, 91, 955, BME280_ACCURACY),
      climate(-0.02, 60, 1_050, BME280_ACCURACY),
      climate(60, 5, 700, BME280_ACCURACY),
    ],
  },
  sht4x: {
    options: {},
    wire: { ...I2C, address: 0x44 },
    checksum: true,
    points: [
      climate(21.4, 48, 0, SHT4X_ACCURACY),
      climate(-39, 100, 0, SHT4X_ACCURACY),
      climate(-0.02, 0, 0, SHT4X_ACCURACY),
      climate(120, 3, 0, SHT4X_ACCURACY),
    ],
  },
  ads1115: {
    options: {
      channels: [
        { name: "level", input: "a0" },
        { name: "difference", input: "a0-a1", range: 2.048, scale: 10, offset: -1, unit: "mA" },
      ],
    },
    wire: { ...I2C, address: 0x48 },
    checksum: false,
    points: [voltages(1.2, 0.7, 0.000_125), voltages(0.4, 2.2, 0.000_125), voltages(-0.01, 0, 0.000_125)],
  },
  mcp3008: {
    options: {
      channels: [
        { name: "level", input: "ch0" },
        { name: "difference", input: "ch2-ch3", scale: 100, offset: -5, unit: "%" },
      ],
    },
    wire: { bus: "spi", devicePath: "/dev/spidev0.0" },
    checksum: false,
    unnoticed: ["all_zeros"],
    points: [converted(1.2, 2.9, 0.7), converted(3.29, 0.8, 0.8), converted(0, 3, 0.1)],
  },
  max31855: {
    options: {},
    wire: { bus: "spi", devicePath: "/dev/spidev0.1" },
    checksum: false,
    points: [
      thermocouple(21.4, 23),
      thermocouple(-250, -20),
      thermocouple(-0.25, 0.06),
      thermocouple(1_350, 60),
    ],
  },
  max31865: {
    options: { wires: 3 },
    wire: { bus: "spi", devicePath: "/dev/spidev0.1" },
    checksum: false,
    points: [platinum(21.4), platinum(-196), platinum(-0.02), platinum(0.02), platinum(849)],
  },
  pms5003: {
    options: {},
    wire: { bus: "serial", devicePath: "/dev/serial0" },
    checksum: true,
    points: [dust(4, 7, 11), dust(1, 2, 3), dust(310, 700, 1_000)],
  },
  mh_z19: {
    options: { warm_up: "1m", self_calibration: false },
    wire: { bus: "serial", devicePath: "/dev/ttyUSB0" },
    checksum: true,
    points: [carbonDioxide(417), carbonDioxide(1_230), carbonDioxide(5_000)],
  },
  ds18b20: {
    options: { wire_id: "28-00000a1b2c3d" },
    wire: { bus: "one_wire", id: "28-00000a1b2c3d" },
    checksum: true,
    points: [
      thermometer(21.4),
      thermometer(-10.125),
      thermometer(-0.06),
      thermometer(85),
      thermometer(124.9),
    ],
  },
  iio: {
    options: { name: "bme280" },
    wire: {
      bus: "kernel",
      subsystem: "iio",
      place: PLACE,
      name: "bme280",
      channels: { in_temp: "temperature", in_humidityrelative: "humidity", in_pressure: "pressure" },
    },
    checksum: true,
    points: [climate(25.08, 40.21, 1006.53, [0.01, 0.01, 0.01]), climate(-12.5, 91, 870, [0.01, 0.01, 0.01])],
  },
  hwmon: {
    options: {
      name: "sht3x",
      fields: [
        { name: "temperature", channel: "temp1", scale: 1, offset: 0 },
        { name: "humidity", channel: "humidity1", scale: 1, offset: 0 },
      ],
    },
    wire: {
      bus: "kernel",
      subsystem: "hwmon",
      place: PLACE,
      name: "sht3x",
      channels: { temp1: "temperature", humidity1: "humidity" },
    },
    checksum: true,
    points: [climate(23.5, 40, 0, [0.01, 0.01]), climate(-10.5, 12, 0, [0.01, 0.01])],
  },
  digital_input: {
    options: { pin: 17, pull: "up", active_low: true },
    wire: { bus: "gpio", pin: 17 },
    checksum: false,
    points: [
      { world: { closed: 1 }, expect: { active: true } },
      { world: { closed: 0 }, expect: { active: false } },
    ],
    async arrange({ gpio }, clock, { world }) {
      if (world["closed"] === 1) gpio.drive(17, 0);
      else gpio.release(17);
      await clock.advance(50);
    },
  },
  pulse_counter: {
    options: { pin: "GPIO27", pull: "up", edge: "falling", unit: "mm", per_pulse: 0.2794 },
    wire: { bus: "gpio", pin: "GPIO27" },
    checksum: false,
    points: [pulses(3), pulses(0), pulses(100)],
    async arrange({ gpio }, clock, { world }) {
      await clock.advance(1_000);
      await clock.run(gpio.pulse("GPIO27", world["pulses"]!, 40));
    },
  },
  host: {
    options: {},
    checksum: false,
    points: [machine(48.2, 600e6), machine(-12.5, 0)],
  },
};
