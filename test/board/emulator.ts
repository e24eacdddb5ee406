import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createConnection } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

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

/** `parts`: what setup.sh printed. `initrd`: the whole root file system. `folder`: for the console and the control socket. */
export async function startBoard(parts: string, initrd: string, folder: string): Promise<EmulatedBoard> {
  const emulator = join(parts, "emulator");
  const console = join(folder, "console");
  const control = join(folder, "control");
  // Debian 13's program with Debian 13's libraries, on whatever this machine runs.
  const process = spawn(
    join(emulator, "lib64/ld-linux-x86-64.so.2"),
    [
      ...["--library-path", join(emulator, "usr/lib/x86_64-linux-gnu")],
      ...[join(emulator, "usr/bin/qemu-system-aarch64"), "-L", join(emulator, "usr/share/qemu")],
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
      ...["-display", "none", "-serial", "null", "-serial", `file:${console}`, "-no-reboot"],
      ...["-qmp", `unix:${control},server=on,wait=off`],
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let complaints = "";
  process.stderr!.on("data", (data) => {
    complaints += data;
  });
  const printed = () => readFile(console, "utf8").catch(() => "");
  return {
    printed,
    async line(pattern, timeoutMs) {
      const endMs = performance.now() + timeoutMs;
      for (;;) {
        const found = pattern.exec(await printed());
        if (found) return found;
        if (process.exitCode !== null || performance.now() > endMs) {
          throw new Error(`no line came that matches ${pattern}:\n${await printed()}${complaints}`);
        }
        await sleep(200);
      }
    },
    setTemperature: (celsius) =>
      command(control, "qom-set", {
        path: "/machine/peripheral/chip",
        property: "temperature",
        value: Math.round(celsius * 1_000),
      }),
    stop: () => end(process),
  };
}

/** One command of the QEMU Machine Protocol. */
async function command(
  control: string,
  name: string,
  args: Readonly<Record<string, unknown>>,
): Promise<void> {
  const socket = createConnection(control);
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
  const answer = async () => {
    for (;;) {
      const { value, done } = await lines.next();
      if (done) throw new Error("the emulator hung up");
      const message = JSON.parse(value);
      if ("error" in message) throw new Error(message.error.desc);
      if ("return" in message || "QMP" in message) return;
    }
  };
  await answer();
  for (const [execute, data] of [["qmp_capabilities"], [name, args]] as const) {
    socket.write(JSON.stringify({ execute, arguments: data }));
    await answer();
  }
  socket.destroy();
}

async function end(process: ChildProcess): Promise<void> {
  if (process.exitCode !== null) return;
  process.kill("SIGKILL");
  await once(process, "exit");
}
