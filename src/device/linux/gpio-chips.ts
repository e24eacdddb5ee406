import { GpioError, type LineId } from "../gpio.ts";
import type { TextFiles } from "./text-files.ts";

/** A GPIO chip. */
export interface Chip {
  /** `gpiochip0`; in sysfs with the number of its first line, `gpiochip512`. */
  readonly name: string;
  /** `pinctrl-bcm2711` */
  readonly label: string;
  readonly lineCount: number;
}

/** A GPIO chip as sysfs shows it (Documentation/ABI/obsolete/sysfs-gpio). */
export interface SysfsChip extends Chip {
  /** The kernel's number of its first line: anything since kernel 6.6. */
  readonly base: number;
}

const CLASS = "sys/class/gpio";

/** The chips behind the 40-pin header: Raspberry Pi up to 3, 4, 5. */
const HEADER_LABELS = ["pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1"];

export function isHeader({ label }: Chip): boolean {
  return HEADER_LABELS.includes(label);
}

export async function readChips(files: TextFiles): Promise<readonly SysfsChip[]> {
  const entries = await files.list(CLASS).catch((cause: unknown) => {
    throw new GpioError("unsupported", "this kernel has no GPIO in sysfs (/sys/class/gpio)", { cause });
  });
  const names = entries.filter((name) => /^gpiochip\d+$/.test(name));
  return Promise.all(
    names.map(async (name) => ({
      name,
      label: await files.read(`${CLASS}/${name}/label`),
      base: Number(await files.read(`${CLASS}/${name}/base`)),
      lineCount: Number(await files.read(`${CLASS}/${name}/ngpio`)),
    })),
  );
}

/** Whether it is the one with this name or label; with `auto` the one behind the header. */
export function isWanted(chip: Chip, wanted: string): boolean {
  return wanted === "auto" ? isHeader(chip) : chip.name === wanted || chip.label === wanted;
}

/** The chip with this name or label; with `auto` the one behind the header, else the only one. */
export function chooseChip<C extends Chip>(chips: readonly C[], wanted: string): C {
  const chosen =
    chips.find((chip) => isWanted(chip, wanted)) ?? (wanted === "auto" ? onlyOne(chips) : undefined);
  if (chosen) return chosen;
  const found = chips
    .map(({ name, label, lineCount }) => `${name} (${label}, ${lineCount} lines)`)
    .join(", ");
  throw new GpioError(
    "no_line",
    wanted === "auto"
      ? `cannot tell which GPIO chip to use: set gpio.chip to one of ${found || "none: there is no chip"}`
      : `no GPIO chip "${wanted}": found ${found || "none"}`,
  );
}

/** The kernel's number of a pin. Sysfs knows no line names, so only `GPIO17` and the like can be understood. */
export function lineNumber(pin: LineId, chip: SysfsChip): number {
  const offset = typeof pin === "number" ? pin : Number(/^GPIO(\d+)$/.exec(pin)?.[1]);
  if (Number.isNaN(offset)) {
    throw new GpioError(
      "no_line",
      `${pin}: GPIO through sysfs knows lines by number only, such as 17 or GPIO17`,
    );
  }
  if (offset >= chip.lineCount) {
    throw new GpioError("no_line", `${chip.label} has lines 0 to ${chip.lineCount - 1}, no ${pin}`);
  }
  return chip.base + offset;
}

function onlyOne<C>(chips: readonly C[]): C | undefined {
  return chips.length === 1 ? chips[0] : undefined;
}
