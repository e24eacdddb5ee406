import { realpath } from "node:fs/promises";
import { type I2cBus, I2cError } from "../i2c.ts";
import { toI2cError } from "./i2c-error.ts";
import { type Adapter, transfer } from "./i2c-transfer.ts";

/** What this program uses of the module i2c-bus. */
export interface I2cBusModule {
  openPromisified(busNumber: number): Promise<Adapter>;
}

export interface LinuxI2cOptions {
  /** `/dev/i2c-1`, or a symbolic link to such a file. */
  readonly devicePath: string;
  readonly load?: () => Promise<I2cBusModule>;
  /** Resolves symbolic links; rejects as `fs.realpath` does where nothing is there. */
  readonly resolvePath?: (path: string) => Promise<string>;
}

/**
 * A bus through i2c-bus and the kernel's i2c-dev. Opened by the first transfer. One transfer at a time: wrap it in
 * `oneAtATime`.
 *
 * i2c-bus keeps a file per address, and keeps it before the address is set: after an error there, its next call would
 * speak to whatever address the file has. So a bus on which anything failed is closed and never touched again.
 */
export function linuxI2cBus({
  devicePath,
  load = loadI2cBus,
  resolvePath = realpath,
}: LinuxI2cOptions): I2cBus {
  let adapter: Adapter | undefined;
  let openings = 0;
  let busy = false;
  let closed = false;

  async function open(): Promise<Adapter> {
    // i2c-bus opens lazily, so a missing bus must be found out here.
    const busNumber = /^\/dev\/i2c-(\d+)$/.exec(await resolvePath(devicePath))?.[1];
    if (busNumber === undefined) throw new I2cError("no_bus", `${devicePath} is not an I2C bus`);
    const opened = await (await load()).openPromisified(Number(busNumber));
    openings++;
    return opened;
  }

  async function drop(): Promise<void> {
    const dropped = adapter;
    adapter = undefined;
    await dropped?.close().catch(() => {});
  }

  return {
    name: devicePath,
    async transfer(address, write, readLength) {
      if (closed) throw new I2cError("no_bus", `${devicePath} is closed`);
      if (busy) throw new Error(`${devicePath}: a second transfer beside one that has not ended`);
      busy = true;
      try {
        adapter ??= await open();
        return await transfer(adapter, address, write, readLength);
      } catch (error) {
        await drop();
        throw toI2cError(devicePath, address, error);
      } finally {
        busy = false;
        if (closed) await drop();
      }
    },
    reopened: () => Math.max(0, openings - 1),
    /** A transfer that has not ended keeps its files until it has: the kernel still uses them. */
    async close() {
      closed = true;
      if (!busy) await drop();
    },
  };
}

async function loadI2cBus(): Promise<I2cBusModule> {
  try {
    return (await import("i2c-bus")).default as unknown as I2cBusModule;
  } catch (cause) {
    throw new I2cError(
      "no_bus",
      "the optional module i2c-bus does not load here: npm install i2c-bus (needs make and a C++ compiler)",
      { cause },
    );
  }
}
