import type { Clock } from "../clock.ts";
import { type Gpio, GpioError } from "../gpio.ts";
import { type Addon, findAddon, loadAddon } from "./addon.ts";
import { charDevices } from "./char-devices.ts";
import { sysfsGpio } from "./gpio.ts";
import { cdevGpio } from "./gpio-cdev.ts";
import { hasChips } from "./gpio-cdev-line.ts";
import type { TextFiles } from "./text-files.ts";

/** Configuration's `gpio.backend`. */
export type GpioBackend = "auto" | "cdev" | "sysfs";

export interface LinuxGpioOptions {
  readonly backend: GpioBackend;
  readonly chip: string;
  readonly clock: Clock;
  readonly files: TextFiles;
  /** The folder of devices. */
  readonly dev: string;
}

/**
 * GPIO through the character device, or through sysfs. `auto` takes the first where the kernel has it and the native
 * part loads, and decides anew for each line: at boot, a chip may come late.
 */
export function linuxGpio({ backend, chip, clock, files, dev }: LinuxGpioOptions): Gpio {
  const sysfs = sysfsGpio({ clock, files, chip });
  function chosen(): Gpio {
    const addon = backend === "cdev" ? requiredAddon() : backend === "auto" ? findAddon() : undefined;
    if (!addon) return sysfs;
    const devices = charDevices(addon, dev);
    return backend === "cdev" || hasChips(devices) ? cdevGpio({ devices, chip }) : sysfs;
  }
  return {
    input: async (request) => chosen().input(request),
    output: async (request) => chosen().output(request),
  };
}

function requiredAddon(): Addon {
  try {
    return loadAddon();
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new GpioError("unsupported", `gpio.backend cdev: ${message}`, { cause });
  }
}
