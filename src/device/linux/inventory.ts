import type { GpioChipInfo, I2cAdapter, Inventory, UsedLine } from "../inventory.ts";
import { loadAddon } from "./addon.ts";
import { type CharDevices, charDevices, deviceNames } from "./char-devices.ts";
import { withChip } from "./gpio-cdev-line.ts";
import {
  askLineInfo,
  emptyChipInfo,
  GPIO_GET_CHIPINFO,
  GPIO_V2_GET_LINEINFO,
  readChipInfo,
  readLineInfo,
} from "./gpio-uapi.ts";
import type { TextFiles } from "./text-files.ts";

/** What the machine has, as far as this user may look. Takes nothing. */
export async function linuxInventory(
  files: TextFiles,
  dev: string,
  devices: () => CharDevices = () => charDevices(loadAddon(), dev),
): Promise<Inventory> {
  const adapters = deviceNames(dev)
    .flatMap((name) => /^i2c-(\d+)$/.exec(name)?.[1] ?? [])
    .sort((a, b) => Number(a) - Number(b));
  return {
    i2c: await Promise.all(adapters.map((number) => adapter(files, number))),
    gpio: gpioChips(dev, devices),
  };
}

async function adapter(files: TextFiles, number: string): Promise<I2cAdapter> {
  const name = await files.read(`sys/class/i2c-dev/i2c-${number}/name`).catch(() => "");
  return { devicePath: `/dev/i2c-${number}`, name };
}

function gpioChips(dev: string, devices: () => CharDevices): readonly GpioChipInfo[] {
  const names = deviceNames(dev).filter((name) => /^gpiochip\d+$/.test(name));
  const chips = names.map((name): GpioChipInfo => {
    try {
      return look(devices(), name);
    } catch (error) {
      return { name, label: "", lineCount: 0, used: [], error: (error as Error).message };
    }
  });
  // A second name in /dev for one of them is no chip.
  return [...new Map(chips.map((chip) => [chip.name, chip])).values()];
}

function look(devices: CharDevices, device: string): GpioChipInfo {
  return withChip(devices, device, (fd) => {
    const info = emptyChipInfo();
    devices.ioctl(fd, GPIO_GET_CHIPINFO, info);
    const chip = readChipInfo(info);
    const used: UsedLine[] = [];
    for (let offset = 0; offset < chip.lineCount; offset++) {
      const line = askLineInfo(offset);
      devices.ioctl(fd, GPIO_V2_GET_LINEINFO, line);
      const { name, consumer, isUsed } = readLineInfo(line);
      if (isUsed) used.push({ offset, name, consumer });
    }
    return { ...chip, used };
  });
}
