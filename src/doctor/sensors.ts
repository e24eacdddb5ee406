import type { SensorConfig } from "../config/config.ts";
import { overlayFor } from "../deploy/overlays.ts";
import { withDeadline } from "../device/clock.ts";
import { messageOf } from "../log.ts";
import { openSensor } from "../node/sensors.ts";
import { type Check, type Diagnosis, failed, ok, skipped } from "./check.ts";
import { mendByFirmware } from "./firmware.ts";
import { OURS, takenBy } from "./lines.ts";
import type { Patient } from "./patient.ts";

/** Longer than any chip's measurement. */
const READ_LIMIT_MS = 10_000;

const SEE_SCAN = "fieldpost scan shows what answers";

/**
 * What mends a fault, by its name and the wire. Not here is what the failure's own text says: how to get a bus that the
 * kernel has not, a permission, or a line from its owner.
 */
const FIXES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  absent: {
    i2c: SEE_SCAN,
    one_wire: `check wiring and the 4.7 kΩ pull-up; ${SEE_SCAN}`,
    kernel: "fieldpost scan shows the chips that the kernel has",
  },
  timeout: {
    i2c: "a chip holds a line: take the chips off one by one; a slower bus may help (dtparam=i2c_arm_baudrate=50000)",
    serial: "check power, and that the chip's TX goes to the port's RX",
  },
  stuck: { i2c: "a chip holds SDA or SCL low: switch its power off and on" },
  wrong_chip: {
    i2c: "another chip is at this place: fieldpost drivers lists those that are supported",
    spi: "another chip is at this place: fieldpost drivers lists those that are supported",
  },
  disconnected: { one_wire: "check wiring and power", kernel: "check wiring and power" },
  crc: {
    i2c: "shorten the wires, check the ground",
    one_wire: "shorten the wires, check the ground",
    serial: "shorten the wires, check the ground",
  },
};

/** Wires that one process has to itself. */
const EXCLUSIVE: readonly string[] = ["gpio", "serial"];

export const sensors: Check = {
  id: "sensors",
  area: "board",
  title: "sensors",
  looksAt:
    "each sensor answers: it is opened and read once. A running node keeps its GPIO inputs and serial ports to itself",
  limitMs: READ_LIMIT_MS + 5_000,
  async run(patient) {
    const { gpio } = await patient.board.inventory();
    const running =
      gpio.some(({ used }) => used.some(({ consumer }) => consumer === OURS)) ||
      (!patient.simulated && (await patient.runningNode()).runs);
    // Side by side, as a node does it: each bus sees to it that one speaks at a time.
    return Promise.all(
      patient.config.sensors.map(async (sensor) => {
        const why =
          running && EXCLUSIVE.includes(sensor.driver.bus)
            ? "the running node has its line"
            : await missing(sensor, gpio.length, patient);
        if (why !== undefined) return skipped(`sensor ${sensor.id}`, why);
        const { driver, options } = sensor;
        const pins = driver.bus === "gpio" ? driver.pins(options) : [];
        if (pins.some((pin) => takenBy(pin, patient.config, gpio) !== undefined))
          return skipped(`sensor ${sensor.id}`, "its line is taken");
        return checkSensor(patient, sensor);
      }),
    );
  },
};

/** What is said of its bus already. */
async function missing(
  { driver, i2cPath, devicePath }: SensorConfig,
  gpioChips: number,
  { board, machine, simulated, config }: Patient,
): Promise<string | undefined> {
  if (simulated) return undefined;
  const path = driver.bus === "i2c" ? (i2cPath ?? board.defaultI2c) : devicePath;
  if (path !== undefined && (await machine.facts(path)) === undefined) return `${path} is not there`;
  if (
    driver.bus === "one_wire" &&
    !(await machine.names("/sys/bus/w1/devices")).some((name) => name.startsWith("w1_bus_master"))
  )
    return "there is no 1-Wire bus";
  if (driver.bus === "gpio" && gpioChips === 0 && config.gpio.backend !== "sysfs")
    return "there is no GPIO chip";
  return undefined;
}

async function checkSensor(patient: Patient, sensor: SensorConfig): Promise<Diagnosis> {
  const { board, clock } = patient;
  const what = `sensor ${sensor.id}`;
  try {
    const reading = await withDeadline(clock, what, READ_LIMIT_MS, readOnce());
    return ok(what, `answers: ${Object.keys(reading).join(", ")}`);
  } catch (error) {
    const found = messageOf(error);
    return failed(what, found, await fixFor((error as { fault?: string }).fault, sensor, patient));
  }

  async function readOnce() {
    const opened = await openSensor(board, sensor, clock);
    try {
      return await opened.read();
    } finally {
      await opened.close?.();
    }
  }
}

async function fixFor(
  fault = "",
  sensor: SensorConfig,
  { machine, simulated }: Patient,
): Promise<string | undefined> {
  const overlay = fault === "absent" ? overlayFor(sensor) : undefined;
  const known = FIXES[fault]?.[sensor.driver.bus];
  if (overlay === undefined || simulated) return known;
  return `${known}; ${await mendByFirmware(machine, overlay)}`;
}
