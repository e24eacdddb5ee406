import { join } from "node:path";
import type { Board } from "../board.ts";
import type { Clock } from "../clock.ts";
import { type HeaderLayout, headerLayout, withHeaderPins } from "../header.ts";
import { type I2cBus, oneAtATime } from "../i2c.ts";
import type { OneWire } from "../one-wire.ts";
import type { Pwm } from "../pwm.ts";
import type { SerialPort } from "../serial.ts";
import { type SpiDevice, withinDeadline } from "../spi.ts";
import { deviceNames } from "./char-devices.ts";
import { type GpioBackend, linuxGpio } from "./gpio-backend.ts";
import { linuxHost } from "./host.ts";
import { linuxI2cBus } from "./i2c.ts";
import { textFiles } from "./text-files.ts";

export interface LinuxBoardOptions {
  readonly clock: Clock;
  /** The folder that stands for `/`. */
  readonly root?: string;
  /** Configuration's `gpio.backend`; default `auto`. */
  readonly gpioBackend?: GpioBackend;
  /** Configuration's `gpio.chip`: the name or label of a GPIO chip; default `auto`. */
  readonly gpioChip?: string;
}

/** Beyond the kernel's own time-out of one second a transfer, and two for a write-then-read. */
const TRANSFER_DEADLINE_MS = 2_500;

/** The header's bus on every Raspberry Pi but the first, whose pins 3 and 5 are GPIO0 and GPIO1. */
const HEADER_I2C = "i2c-1";
const FIRST_HEADER_I2C = "i2c-0";

/** The machine that the program runs on. Nothing is opened before it is used. */
export function linuxBoard({
  clock,
  root = "/",
  gpioBackend = "auto",
  gpioChip = "auto",
}: LinuxBoardOptions): Board {
  const files = textFiles(root);
  const buses = new Map<string, I2cBus>();
  const chipSelects = new Map<string, SpiDevice>();
  const ports = new Map<string, SerialPort>();
  const host = linuxHost({ files, root });
  const layout = headerLayout(host.model, host.revision);
  const lines = linuxGpio({ backend: gpioBackend, chip: gpioChip, clock, files, dev: join(root, "dev") });
  let pwm: Promise<Pwm> | undefined;
  let oneWire: Promise<OneWire> | undefined;
  const thermometers = () => {
    // One for all: those that are due together share a conversion.
    oneWire ??= import("./one-wire.ts").then(({ linuxOneWire }) => linuxOneWire(files, clock));
    return oneWire;
  };
  return {
    gpio: withHeaderPins(lines, () => layout, host.model),
    oneWire: {
      ids: async () => (await thermometers()).ids(),
      readThermometer: async (id) => (await thermometers()).readThermometer(id),
      setResolution: async (id, bits) => (await thermometers()).setResolution(id, bits),
    },
    pwm: {
      async output(request) {
        pwm ??= import("./pwm.ts").then(({ linuxPwm }) => linuxPwm(files, clock));
        return (await pwm).output(request);
      },
    },
    chips: {
      list: async (subsystem) =>
        (await import("./kernel-chips.ts")).linuxKernelChips({ files, root }).list(subsystem),
    },
    host,
    lamp: {
      isThere: async () => (await import("./lamp.ts")).linuxLamp(files).isThere(),
      take: async () => (await import("./lamp.ts")).linuxLamp(files).take(),
    },
    defaultI2c: `/dev/${headerBus(join(root, "dev"), layout)}`,
    i2c(devicePath) {
      const known = buses.get(devicePath);
      if (known) return known;
      const bus = oneAtATime(linuxI2cBus({ devicePath }), clock, TRANSFER_DEADLINE_MS);
      buses.set(devicePath, bus);
      return bus;
    },
    async spi(settings) {
      const { linuxSpiDevice } = await import("./spi.ts");
      const known = chipSelects.get(settings.devicePath);
      if (known) return known;
      const device = withinDeadline(linuxSpiDevice(settings), clock, TRANSFER_DEADLINE_MS);
      chipSelects.set(settings.devicePath, device);
      return device;
    },
    async serial(settings) {
      const { linuxSerialPort } = await import("./serial.ts");
      const known = ports.get(settings.devicePath);
      if (known) return known;
      const port = linuxSerialPort({ ...settings, clock });
      ports.set(settings.devicePath, port);
      return port;
    },
    inventory: async () => (await import("./inventory.ts")).linuxInventory(files, join(root, "dev")),
    async close() {
      const open = [...buses.values(), ...chipSelects.values(), ...ports.values()];
      await Promise.all(open.map((bus) => bus.close()));
    },
  };
}

/** The bus that users wire sensors to; where the machine has none, the one an error should name. */
function headerBus(dev: string, layout: HeaderLayout | undefined): string {
  if (layout === "26-rev1") return FIRST_HEADER_I2C;
  const numbers = deviceNames(dev)
    .flatMap((name) => /^i2c-(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
  return numbers.length === 0 || numbers.includes(1) ? HEADER_I2C : `i2c-${numbers[0]}`;
}
