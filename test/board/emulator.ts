import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startQemu } from "./qemu.ts";

/** An emulated Raspberry Pi 3 with a TMP105 thermometer on the header's I2C bus. */
export interface EmulatedBoard {
  /** What came over the serial console so far. */
  printed(): Promise<string>;
  /** Resolves when the console has a line that matches; rejects when it does not within so long. */
  line(pattern: RegExp, timeoutMs: number): Promise<RegExpExecArray>;
  /** Changes the temperature around the chip, from outside the machine. */
  setTemperature(celsius: number): Promise<void>;
  stop(): Promise<void>;
}

/**
 * `emulator`: what emulator.sh printed. `parts`: what setup.sh printed. `initrd`: the whole root file system. `folder`: for
 * the console and the control socket.
 */
export function startBoard(emulator: string, parts: string, initrd: string, folder: string): EmulatedBoard {
  const console = join(folder, "console");
  const qemu = startQemu(
    emulator,
    [
      ...[
        "-M",
        "raspi3b",
        "-kernel",
        join(parts, "kernel"),
        "-dtb",
        join(parts, "board.dtb"),
        "-initrd",
        initrd,
      ],
      // The second serial port is the header's.
      ...["-append", "console=ttyS1,115200 quiet panic=-1"],
      ...["-device", "tmp105,id=chip,bus=i2c-bus.1,address=0x48"],
      ...["-serial", "null", "-serial", `file:${console}`, "-no-reboot"],
    ],
    folder,
  );
  const printed = () => readFile(console, "utf8").catch(() => "");
  return {
    printed,
    async line(pattern, timeoutMs) {
      const endMs = performance.now() + timeoutMs;
      for (;;) {
        const found = pattern.exec(await printed());
        if (found) return found;
        const complaint = qemu.ended();
        if (complaint !== undefined || performance.now() > endMs) {
          throw new Error(`no line came that matches ${pattern}:\n${await printed()}${complaint ?? ""}`);
        }
        await sleep(200);
      }
    },
    async setTemperature(celsius) {
      await qemu.control("qom-set", {
        path: "/machine/peripheral/chip",
        property: "temperature",
        value: Math.round(celsius * 1_000),
      });
    },
    stop: () => qemu.stop(),
  };
}
