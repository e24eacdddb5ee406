import type { Clock } from "../clock.ts";
import { type Gpio, GpioError, type LineId } from "../gpio.ts";
import { type Addon, loadAddon } from "./addon.ts";
import { charDevices } from "./char-devices.ts";
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
  readonly load?: () => Addon;
}

/**
 * GPIO through the character device, or through sysfs. `auto` takes the first where the kernel has it and the native
 * part loads, and decides anew for each line: at boot, a chip may come late.
 */
export function linuxGpio({
  backend,
  chip,
  clock,
  files,
  dev,
  load = loadAddon,
}: LinuxGpioOptions): Gpio<LineId> {
  let loaded: Promise<Gpio<LineId>> | undefined;
  // One for all: it alone knows which lines of ours are taken. Hardly any board needs it.
  const sysfs = () => {
    loaded ??= import("./gpio.ts").then(({ sysfsGpio }) => sysfsGpio({ clock, files, chip }));
    return loaded;
  };
  async function chosen(): Promise<Gpio<LineId>> {
    if (backend === "sysfs") return sysfs();
    try {
      const devices = charDevices(load(), dev);
      const { cdevGpio } = await import("./gpio-cdev.ts");
      const { hasChips } = await import("./gpio-cdev-line.ts");
      return backend === "cdev" || hasChips(devices) ? cdevGpio({ devices, chip }) : sysfs();
    } catch (cause) {
      if (backend === "auto") return sysfs();
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new GpioError("unsupported", `gpio.backend cdev: ${message}`, { cause });
    }
  }
  return {
    input: async (request) => (await chosen()).input(request),
    output: async (request) => (await chosen()).output(request),
    outputs: async (requests) => (await chosen()).outputs(requests),
  };
}
