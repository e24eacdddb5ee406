import { realpath } from "node:fs/promises";
import { join } from "node:path";
import {
  type KernelChip,
  KernelChipError,
  type KernelChipFault,
  type KernelChips,
  type Subsystem,
} from "../kernel-chips.ts";
import { errorCode, type TextFiles } from "./text-files.ts";

const FOLDERS: Readonly<Record<Subsystem, string>> = {
  iio: "sys/bus/iio/devices",
  hwmon: "sys/class/hwmon",
};

const CHIPS: Readonly<Record<Subsystem, RegExp>> = { iio: /^iio:device\d+$/, hwmon: /^hwmon\d+$/ };

const FAULTS: Readonly<Record<string, readonly [fault: KernelChipFault, message: string]>> = {
  ENOENT: ["absent", "has gone"],
  ENODEV: ["absent", "has gone"],
  ENXIO: ["absent", "does not answer: check wiring and power"],
  EREMOTEIO: ["absent", "does not answer: check wiring and power"],
  EAGAIN: ["busy", "has no value yet"],
  ENODATA: ["busy", "has no value yet"],
  EBUSY: ["busy", "is in use by another program"],
  EACCES: ["denied", "may not be read"],
  ETIMEDOUT: ["timeout", "gave no answer in time"],
  EIO: ["io", "could not be read by its kernel driver"],
};

/** EREMOTEIO, which Node has no name for. */
const EREMOTEIO = 121;

export interface LinuxKernelChipsOptions {
  readonly files: TextFiles;
  /** The folder that stands for `/`; the same that `files` reads below. */
  readonly root?: string;
}

/** The chips of the kernel's drivers through sysfs (Documentation/ABI/testing/sysfs-bus-iio, sysfs-class-hwmon). */
export function linuxKernelChips({ files, root = "/" }: LinuxKernelChipsOptions): KernelChips {
  return {
    async list(subsystem) {
      const folder = FOLDERS[subsystem];
      const ids = (await files.list(folder).catch(() => [])).filter((id) => CHIPS[subsystem].test(id));
      return (await Promise.all(ids.map((id) => open(subsystem, id)))).flatMap((chip) => chip ?? []);
    },
  };

  /** Undefined where it goes away while it is looked at. */
  async function open(subsystem: Subsystem, id: string): Promise<KernelChip | undefined> {
    const folder = `${FOLDERS[subsystem]}/${id}`;
    const attributes = await files.list(folder).catch(() => undefined);
    if (!attributes) return undefined;
    // An IIO device is a child of its chip; a hwmon one links to it.
    const self = await realpath(join(root, folder)).catch(() => undefined);
    if (self === undefined) return undefined;
    const parent = await realpath(join(self, subsystem === "iio" ? ".." : "device")).catch(() => "");
    const place = /\/(\d+)-([0-9a-f]{4})$/.exec(parent);
    const [, bus, address] = place ?? [];
    const known = bus === undefined ? "" : `sys/bus/i2c/devices/${bus}-${address}/name`;
    const names = await Promise.all(
      [`${folder}/name`, known].map((path) => files.read(path).catch(() => "")),
    );
    return {
      id,
      // A DHT11 is called by its node in the device tree, `dht11@4`: the pin is part of the name.
      names: [...new Set(names.flatMap((name) => [name, name.split("@")[0] ?? ""]))].filter(
        (name) => name !== "",
      ),
      i2c:
        bus === undefined
          ? undefined
          : { devicePath: `/dev/i2c-${bus}`, address: Number.parseInt(address!, 16) },
      attributes,
      read: (attribute) => files.read(`${folder}/${attribute}`).catch((cause) => fail(id, attribute, cause)),
    };
  }
}

function fail(id: string, attribute: string, cause: unknown): never {
  const number = cause instanceof Error && "errno" in cause ? Math.abs(Number(cause.errno)) : 0;
  const code = number === EREMOTEIO ? "EREMOTEIO" : errorCode(cause);
  const text = cause instanceof Error ? cause.message : String(cause);
  const [fault, message] = FAULTS[code] ?? (["io", text] as const);
  throw new KernelChipError(fault, `${id} ${attribute}: ${message}`, { cause });
}
