import { GpioError, type LineId } from "../gpio.ts";
import type { CharDevices } from "./char-devices.ts";
import { type Chip, chooseChip, isHeader, isWanted } from "./gpio-chips.ts";
import { toGpioError } from "./gpio-export.ts";
import {
  askLineInfo,
  emptyChipInfo,
  GPIO_GET_CHIPINFO,
  GPIO_V2_GET_LINEINFO,
  type LineInfo,
  readChipInfo,
  readLineInfo,
} from "./gpio-uapi.ts";
import { errorCode } from "./text-files.ts";

/** A line of a chip. */
export interface Line {
  /** The chip's device: `gpiochip0`. */
  readonly device: string;
  readonly offset: number;
  /** For people: `GPIO17`. */
  readonly name: string;
}

/** Whether this machine has GPIO chips whose kernel knows uAPI v2 (5.10 and newer). */
export function hasChips(devices: CharDevices): boolean {
  const [first] = chipNames(devices);
  if (first === undefined) return false;
  try {
    withChip(devices, first, (fd) => lineInfo(devices, fd, 0));
    return true;
  } catch (error) {
    // Whatever else is wrong with the chip is for the one to hear who asks for a line.
    return !(error instanceof GpioError && error.fault === "unsupported");
  }
}

/** Runs `work` with a chip's descriptor. Throws a {@link GpioError}. */
export function withChip<T>(devices: CharDevices, device: string, work: (fd: number) => T): T {
  let fd: number | undefined;
  try {
    fd = devices.open(device);
    return work(fd);
  } catch (cause) {
    throw toGpioError(`/dev/${device}`, cause);
  } finally {
    if (fd !== undefined) devices.close(fd);
  }
}

/**
 * The line behind a pin: a number is an offset on the chip `wanted`, a name is looked up there, or on every chip where
 * that is `auto`. Throws `no_line`, `denied`, `unsupported`, or `io`.
 */
export function findLine(devices: CharDevices, wanted: string, pin: LineId): Line {
  const chips = readChips(devices, wanted);
  if (typeof pin === "string") {
    const named = findNamed(
      devices,
      wanted === "auto" ? headerFirst(chips) : [chooseChip(chips, wanted)],
      pin,
    );
    if (named) return named;
  }
  const chip = chooseChip(chips, wanted);
  const offset = typeof pin === "number" ? pin : bcmNumber(chip, pin);
  if (offset === undefined) throw new GpioError("no_line", `no line is called ${pin}`);
  if (offset >= chip.lineCount) {
    throw new GpioError("no_line", `${chip.label} has lines 0 to ${chip.lineCount - 1}, no ${pin}`);
  }
  return { device: chip.name, offset, name: typeof pin === "number" ? `GPIO${pin}` : pin };
}

/** Who has requested a line. */
export function askOwner(devices: CharDevices, fd: number, offset: number): string {
  return lineInfo(devices, fd, offset).consumer;
}

function chipNames(devices: CharDevices): string[] {
  return devices.list().filter((name) => /^gpiochip\d+$/.test(name));
}

/**
 * Under the kernel's names: a second name in /dev for one of them, as Raspberry Pi OS has for old programs, is no chip.
 * One that cannot be looked at, as a USB adapter that is just pulled out, is left out where `wanted` is among the others;
 * else its error is thrown, and no line of another chip is taken for its own.
 */
function readChips(devices: CharDevices, wanted: string): Chip[] {
  const chips = new Map<string, Chip>();
  let failure: unknown;
  for (const device of chipNames(devices)) {
    try {
      const chip = withChip(devices, device, (fd) => {
        const info = emptyChipInfo();
        devices.ioctl(fd, GPIO_GET_CHIPINFO, info);
        return readChipInfo(info);
      });
      chips.set(chip.name, chip);
    } catch (cause) {
      failure ??= cause;
    }
  }
  const found = [...chips.values()];
  if (failure !== undefined && !found.some((chip) => isWanted(chip, wanted))) throw failure;
  return found;
}

function headerFirst(chips: readonly Chip[]): Chip[] {
  return [...chips.filter(isHeader), ...chips.filter((chip) => !isHeader(chip))];
}

function findNamed(devices: CharDevices, chips: readonly Chip[], name: string): Line | undefined {
  for (const { name: device, lineCount } of chips) {
    const offset = withChip(devices, device, (fd) => {
      for (let candidate = 0; candidate < lineCount; candidate++) {
        if (lineInfo(devices, fd, candidate).name === name) return candidate;
      }
      return undefined;
    });
    if (offset !== undefined) return { device, offset, name };
  }
  return undefined;
}

/** Device trees call some of the header's lines by what they mostly do (`SDA1`): they have their number all the same. */
function bcmNumber(chip: Chip, name: string): number | undefined {
  const [, number] = /^GPIO(\d+)$/.exec(name) ?? [];
  return number !== undefined && isHeader(chip) ? Number(number) : undefined;
}

function lineInfo(devices: CharDevices, fd: number, offset: number): LineInfo {
  const info = askLineInfo(offset);
  try {
    devices.ioctl(fd, GPIO_V2_GET_LINEINFO, info);
  } catch (cause) {
    if (errorCode(cause) !== "EINVAL") throw cause;
    throw new GpioError(
      "unsupported",
      "the GPIO character device needs Linux 5.10: set gpio.backend to sysfs",
      {
        cause,
      },
    );
  }
  return readLineInfo(info);
}
