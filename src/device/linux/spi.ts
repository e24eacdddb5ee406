import { realpath } from "node:fs/promises";
import { promisify } from "node:util";
import { type SpiDevice, SpiError, type SpiFault, type SpiSettings } from "../spi.ts";
import { errorCode } from "./text-files.ts";

/** One transfer of a message, as spi-device takes it; it fills `receiveBuffer`. */
export interface SpiTransfer {
  readonly byteLength: number;
  readonly sendBuffer: Buffer;
  readonly receiveBuffer: Buffer;
  readonly speedHz: number;
}

/** What this program uses of an opened device. */
export interface SpiHandle {
  transfer(message: SpiTransfer[], done: (error: Error | null) => void): void;
  close(done: (error: Error | null) => void): void;
}

/** What this program uses of the module spi-device. */
export interface SpiModule {
  open(bus: number, chip: number, options: { mode: number }, done: (error: Error | null) => void): SpiHandle;
}

export interface LinuxSpiOptions extends SpiSettings {
  readonly load?: () => Promise<SpiModule>;
  /** Resolves symbolic links; rejects as `fs.realpath` does where nothing is there. */
  readonly resolvePath?: (path: string) => Promise<string>;
}

const FAULTS: Readonly<Record<string, readonly [fault: SpiFault, message: string]>> = {
  ENOENT: ["no_bus", "no such device: put dtparam=spi=on into config.txt and reboot"],
  ENODEV: ["no_bus", "no such device: put dtparam=spi=on into config.txt and reboot"],
  EACCES: ["no_bus", "not permitted: add the user to the group spi"],
  EPERM: ["no_bus", "not permitted: add the user to the group spi"],
  EINVAL: ["unsupported", "the controller cannot do this mode or speed"],
  ETIMEDOUT: ["timeout", "the controller did not finish the transfer"],
};

/** A chip select through spi-device and the kernel's spidev. Opened by the first transfer, and anew after a failure. */
export function linuxSpiDevice({
  devicePath,
  mode,
  speedHz,
  load = loadSpiDevice,
  resolvePath = realpath,
}: LinuxSpiOptions): SpiDevice {
  let handle: SpiHandle | undefined;
  let busy = false;
  let closed = false;

  async function open(): Promise<SpiHandle> {
    const [, bus, chip] = /^\/dev\/spidev(\d+)\.(\d+)$/.exec(await resolvePath(devicePath)) ?? [];
    if (bus === undefined) throw new SpiError("no_bus", `${devicePath} is not an SPI device`);
    const module = await load();
    return new Promise((resolve, reject) => {
      const opened = module.open(Number(bus), Number(chip), { mode }, (error) =>
        error ? reject(error) : resolve(opened),
      );
    });
  }

  async function drop(): Promise<void> {
    const dropped = handle;
    handle = undefined;
    if (dropped) await promisify(dropped.close.bind(dropped))().catch(() => {});
  }

  return {
    name: devicePath,
    async transfer(bytes) {
      if (closed) throw new SpiError("no_bus", `${devicePath} is closed`);
      if (busy) throw new Error(`${devicePath}: a second transfer beside one that has not ended`);
      busy = true;
      try {
        handle ??= await open();
        const receiveBuffer = Buffer.alloc(bytes.length);
        const message = [
          { byteLength: bytes.length, sendBuffer: Buffer.from(bytes), receiveBuffer, speedHz },
        ];
        await promisify(handle.transfer.bind(handle))(message);
        return receiveBuffer;
      } catch (error) {
        await drop();
        throw toSpiError(devicePath, error);
      } finally {
        busy = false;
        if (closed) await drop();
      }
    },
    /** A transfer that has not ended keeps its file until it has. */
    async close() {
      closed = true;
      if (!busy) await drop();
    },
  };
}

function toSpiError(name: string, cause: unknown): SpiError {
  if (cause instanceof SpiError) return cause;
  const text = cause instanceof Error ? cause.message : String(cause);
  // spi-device's own errors have no code, but begin their message with it: "EINVAL, …".
  const code = errorCode(cause) || (/^(E[A-Z0-9]+)\b/.exec(text)?.[1] ?? "");
  const [fault, message] = FAULTS[code] ?? (["io", text] as const);
  return new SpiError(fault, `${name}: ${message}`, { cause });
}

async function loadSpiDevice(): Promise<SpiModule> {
  try {
    return (await import("spi-device")).default as SpiModule;
  } catch (cause) {
    throw new SpiError(
      "no_bus",
      "the optional module spi-device does not load here: npm install spi-device (needs make and a C++ compiler)",
      { cause },
    );
  }
}
