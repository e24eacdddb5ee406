import type { TextFiles } from "../../../src/device/linux/text-files.ts";
import { nodeError } from "./system-error.ts";

interface ChipOptions {
  readonly driver: string;
  /** In the device tree; empty: none. */
  readonly node: string;
  readonly channels: number;
}

export interface FakeChannel {
  period: number;
  duty: number;
  polarity: string;
  enabled: boolean;
}

export interface FakePwmKernel {
  readonly files: TextFiles;
  /** Everything written, in order: `period 20000000`. */
  readonly writes: string[];
  shortestPeriodNs: number;
  takenByKernel: boolean;
  /** How often a channel's files are looked at in vain before udev gives them away. */
  usableAfterChecks: number;
  addChip(name: string, options: ChipOptions): void;
  channel(chip: string, number: number): FakeChannel;
}

/** `/sys/class/pwm` with the checks of drivers/pwm/core.c and drivers/pwm/sysfs.c. */
export function fakePwmKernel(): FakePwmKernel {
  const chips = new Map<string, ChipOptions & { readonly exported: Map<number, FakeChannel> }>();

  function locate(path: string) {
    const [, chipName = "", , channel, file = ""] =
      /^sys\/class\/pwm\/(pwmchip\d+)(\/pwm(\d+))?\/?(.*)$/.exec(path) ?? [];
    const chip = chips.get(chipName);
    if (!chip) throw nodeError("ENOENT", "open");
    return { chip, file, line: channel === undefined ? undefined : chip.exported.get(Number(channel)) };
  }

  /** pwm_apply_might_sleep: what it refuses leaves the channel as it was. */
  function apply(line: FakeChannel, change: Partial<FakeChannel>): void {
    const next = { ...line, ...change };
    if (next.period === 0 || next.duty > next.period) throw nodeError("EINVAL", "write");
    if (next.period < kernel.shortestPeriodNs) throw nodeError("EINVAL", "write");
    if (line.enabled && next.enabled && next.polarity !== line.polarity) throw nodeError("EINVAL", "write");
    Object.assign(line, change);
  }

  const kernel: FakePwmKernel = {
    writes: [],
    shortestPeriodNs: 1,
    takenByKernel: false,
    usableAfterChecks: 0,
    addChip: (name, options) => void chips.set(name, { ...options, exported: new Map() }),
    channel: (chip, number) => chips.get(chip)!.exported.get(number)!,
    files: {
      async list(path) {
        if (path === "sys/class/pwm") return [...chips.keys()];
        return [...locate(path).chip.exported.keys()].map((number) => `pwm${number}`);
      },
      async read(path) {
        const { chip, file, line } = locate(path);
        if (file === "npwm") return `${chip.channels}`;
        if (file === "device/uevent") {
          return `DRIVER=${chip.driver}${chip.node === "" ? "" : `\nOF_NAME=x\nOF_FULLNAME=${chip.node}`}`;
        }
        if (!line) throw nodeError("ENOENT", "open");
        const { period, duty, polarity, enabled } = line;
        return { period: `${period}`, duty_cycle: `${duty}`, polarity, enable: enabled ? "1" : "0" }[file]!;
      },
      readNow: () => "",
      async write(path, text) {
        const { chip, file, line } = locate(path);
        kernel.writes.push(`${file} ${text}`);
        if (file === "export") {
          if (kernel.takenByKernel) throw nodeError("EBUSY", "write");
          chip.exported.set(Number(text), { period: 0, duty: 0, polarity: "normal", enabled: false });
        } else if (!line) throw nodeError("ENOENT", "open");
        else if (file === "period") apply(line, { period: Number(text) });
        else if (file === "duty_cycle") apply(line, { duty: Number(text) });
        else if (file === "polarity") apply(line, { polarity: text });
        else apply(line, { enabled: text === "1" });
      },
      isUsable: async () => kernel.usableAfterChecks-- <= 0,
    },
  };
  return kernel;
}
