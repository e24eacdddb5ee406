import { PwmError } from "../pwm.ts";
import type { TextFiles } from "./text-files.ts";

/** A PWM chip as sysfs shows it (Documentation/driver-api/pwm.rst). */
export interface PwmChip {
  /** `pwmchip0`: the order in which the kernel found them, which differs between kernels. */
  readonly name: string;
  /** `pwm-bcm2835`; empty where the kernel does not say. */
  readonly driver: string;
  /** In the device tree: `pwm@7e20c000`; empty where it has no such place. */
  readonly node: string;
  readonly channelCount: number;
}

export const PWM_CLASS = "sys/class/pwm";

/**
 * The controllers behind the 40-pin header: Raspberry Pi 1 to 4, at this address of their bus; Raspberry Pi 5, the
 * first of the two in RP1 (the second drives its fan, and was found first by some kernels).
 */
const HEADER_NODES = ["pwm@7e20c000", "pwm@98000"];

export async function readPwmChips(files: TextFiles): Promise<readonly PwmChip[]> {
  const entries = await files.list(PWM_CLASS).catch(() => []);
  const names = entries.filter((name) => /^pwmchip\d+$/.test(name));
  return Promise.all(
    names.map(async (name) => {
      const about = await files.read(`${PWM_CLASS}/${name}/device/uevent`).catch(() => "");
      return {
        name,
        driver: /^DRIVER=(.*)$/m.exec(about)?.[1] ?? "",
        node: /^OF_FULLNAME=.*\/(.*)$/m.exec(about)?.[1] ?? "",
        channelCount: Number(await files.read(`${PWM_CLASS}/${name}/npwm`)),
      };
    }),
  );
}

/** The chip with this name; with `auto` the one behind the header, else the only one. */
export function choosePwmChip(chips: readonly PwmChip[], wanted: string): PwmChip {
  if (chips.length === 0) {
    const message = "the kernel has no PWM: put dtoverlay=pwm-2chan into config.txt and reboot";
    throw new PwmError("no_chip", message);
  }
  const fitting =
    wanted === "auto"
      ? [chips.find(({ node }) => HEADER_NODES.includes(node)) ?? chips].flat()
      : chips.filter(({ name, driver, node }) => [name, driver, node].includes(wanted));
  const [chosen, ...others] = fitting;
  if (chosen && others.length === 0) return chosen;
  const found = chips.map(describe).join(", ");
  throw new PwmError(
    "no_chip",
    fitting.length === 0
      ? `no PWM chip "${wanted}": found ${found}`
      : `cannot tell which PWM chip is meant: name one of ${found}`,
  );
}

function describe({ name, driver, node, channelCount }: PwmChip): string {
  const about = [driver, node, `${channelCount} channels`].filter((word) => word !== "");
  return `${name} (${about.join(", ")})`;
}
