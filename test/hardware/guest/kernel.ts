import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** What the tests in the guest ask of the kernel. All of it works as root of the guest only. */

const MODULES = process.env["KERNEL"] ?? "";

export function loadModule(name: string, ...parameters: readonly string[]): void {
  execFileSync("busybox", ["insmod", `${MODULES}/${name}.ko`, ...parameters]);
}

export function setParameter(module: string, name: string, value: string | number): void {
  writeFileSync(`/sys/module/${module}/parameters/${name}`, String(value));
}

export function read(path: string): string {
  return readFileSync(path, "utf8").trim();
}

/** Resolves when `condition` holds; rejects when it does not within ten seconds. */
export async function eventually(what: string, condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 2_000; tries++) {
    if (condition()) return;
    await sleep(5);
  }
  throw new Error(`never came true: ${what}`);
}

/** A chip of simulated lines (Documentation/admin-guide/gpio/gpio-sim.rst), as its wires see it. */
export interface SimulatedChip {
  /** The kernel's number of the first line, in sysfs. */
  readonly base: number;
  /** The file that a line's wire is driven by: `pull-up` or `pull-down`. */
  wire(line: number): string;
  /** What an input's wire carries. */
  drive(line: number, level: 0 | 1): void;
  /** The level of an output, or of what drives an input. */
  level(line: number): 0 | 1;
}

/** Its lines are named as a Raspberry Pi's: `GPIO17`. */
export interface ChipOptions {
  readonly name: string;
  readonly label: string;
  readonly lineCount: number;
  /** A line that a kernel driver has taken, as `w1-gpio` or `gpio-leds` do. */
  readonly hog?: number;
}

export function simulateChip({ name, label, lineCount, hog }: ChipOptions): SimulatedChip {
  const device = `/sys/kernel/config/gpio-sim/${name}`;
  const bank = `${device}/bank`;
  mkdirSync(bank, { recursive: true });
  writeFileSync(`${bank}/num_lines`, String(lineCount));
  writeFileSync(`${bank}/label`, label);
  for (let line = 0; line < lineCount; line++) {
    mkdirSync(`${bank}/line${line}`);
    writeFileSync(`${bank}/line${line}/name`, `GPIO${line}`);
  }
  if (hog !== undefined) {
    mkdirSync(`${bank}/line${hog}/hog`);
    writeFileSync(`${bank}/line${hog}/hog/name`, "some-driver");
    writeFileSync(`${bank}/line${hog}/hog/direction`, "input");
  }
  writeFileSync(`${device}/live`, "1");
  const wires = `/sys/devices/platform/${read(`${device}/dev_name`)}/${read(`${bank}/chip_name`)}`;
  const wire = (line: number) => `${wires}/sim_gpio${line}/pull`;
  const CLASS = "/sys/class/gpio";
  const inSysfs = readdirSync(CLASS).find(
    (chip) => /^gpiochip/.test(chip) && read(`${CLASS}/${chip}/label`) === label,
  );
  return {
    base: Number(read(`${CLASS}/${inSysfs}/base`)),
    wire,
    drive: (line, level) => writeFileSync(wire(line), level === 1 ? "pull-up" : "pull-down"),
    level: (line) => (read(`${wires}/sim_gpio${line}/value`) === "1" ? 1 : 0),
  };
}

const TRACING = "/sys/kernel/tracing";

/** Everything the kernel did to a line's output while `work` ran: `set 1`, `out`, `in`, in order. */
export async function traceLine(number: number, work: () => Promise<unknown>): Promise<readonly string[]> {
  writeFileSync(`${TRACING}/events/gpio/enable`, "1");
  writeFileSync(`${TRACING}/trace`, "");
  await work();
  writeFileSync(`${TRACING}/events/gpio/enable`, "0");
  const event = new RegExp(`gpio_(?:value|direction): ${number} +(set [01]|out|in)`, "g");
  return [...read(`${TRACING}/trace`).matchAll(event)].map(([, what]) => what!);
}

/** The number of the I2C adapter whose name contains `name`. */
export function i2cBusNumber(name: string): number {
  const adapters = "/sys/class/i2c-dev";
  const found = readdirSync(adapters).find((adapter) => read(`${adapters}/${adapter}/name`).includes(name));
  if (found === undefined) throw new Error(`no I2C adapter "${name}"`);
  return Number(found.replace("i2c-", ""));
}

/** A chip on the bus of i2c_loop.c: 256 registers that are memory, and a pointer that goes on by itself. */
export interface LoopChip {
  /** Changes registers from the chip's side. */
  poke(register: number, values: readonly number[]): void;
  /** What the chip's side sees in a register. */
  peek(register: number): number;
  /** Takes it off the bus. */
  detach(): void;
}

export function attachChip(address: number): LoopChip {
  const bus = i2cBusNumber("loop chips");
  // An address at which the kernel itself is the chip (Documentation/i2c/slave-interface.rst).
  const ownAddress = 0x1000 + address;
  bindKernelDriver(bus, "slave-24c02", ownAddress);
  const registers = `/sys/bus/i2c/devices/${bus}-${ownAddress.toString(16)}/slave-eeprom`;
  return {
    poke(register, values) {
      const file = openSync(registers, "r+");
      writeSync(file, Uint8Array.from(values), 0, values.length, register);
      closeSync(file);
    },
    peek: (register) => readFileSync(registers)[register]!,
    detach: () => unbindKernelDriver(bus, ownAddress),
  };
}

/** Tells the kernel of a chip, so that its own driver for it takes the address. */
export function bindKernelDriver(bus: number, driver: string, address: number): void {
  writeFileSync(`/sys/bus/i2c/devices/i2c-${bus}/new_device`, `${driver} ${address}`);
}

export function unbindKernelDriver(bus: number, address: number): void {
  writeFileSync(`/sys/bus/i2c/devices/i2c-${bus}/delete_device`, String(address));
}
