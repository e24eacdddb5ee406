import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { type Clock, DeadlineError, withDeadline } from "../clock.ts";
import { SerialError, type SerialFault, type SerialPort, type SerialSettings } from "../serial.ts";
import { errorCode } from "./text-files.ts";

/** What this program uses of a port that serialport's bindings have opened. */
export interface SerialBinding {
  /** Resolves when something has come; rejects when the port is closed. */
  read(buffer: Buffer, offset: number, length: number): Promise<{ readonly bytesRead: number }>;
  write(buffer: Buffer): Promise<void>;
  /** Forgets what has come and was not read. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** What this program uses of the module @serialport/bindings-cpp. */
export interface SerialModule {
  open(options: { path: string; baudRate: number }): Promise<SerialBinding>;
}

export interface LinuxSerialOptions extends SerialSettings {
  readonly clock: Clock;
  readonly load?: () => Promise<SerialModule>;
  /** Rejects as `fs.access` does where the port is not there or may not be used. */
  readonly checkAccess?: (path: string) => Promise<void>;
}

/** Bytes under way from the port. The module cannot be told to stop waiting, so a reader that gives up leaves them. */
interface Reading {
  readonly bytes: Promise<Uint8Array>;
  arrived: boolean;
}

interface OpenPort {
  readonly binding: SerialBinding;
  reading: Reading | undefined;
}

const CHUNK_BYTES = 256;

const FAULTS: Readonly<Record<string, readonly [fault: SerialFault, message: string]>> = {
  ENOENT: ["no_port", "no such port: put enable_uart=1 into config.txt, or plug the adapter in"],
  EACCES: ["no_port", "not permitted: add the user to the group dialout"],
  EPERM: ["no_port", "not permitted: add the user to the group dialout"],
};

/** A port through serialport's bindings. Opened when first used, and anew after a failure. */
export function linuxSerialPort({
  devicePath,
  baudRate,
  clock,
  load = loadSerialport,
  checkAccess = (path) => access(path, constants.R_OK | constants.W_OK),
}: LinuxSerialOptions): SerialPort {
  let port: Promise<OpenPort> | undefined;
  let closed = false;

  async function open(): Promise<OpenPort> {
    // The module's own errors have no code to tell them apart by.
    await checkAccess(devicePath);
    return { binding: await (await load()).open({ path: devicePath, baudRate }), reading: undefined };
  }

  async function drop(): Promise<void> {
    const dropped = port;
    port = undefined;
    await dropped?.then(({ binding }) => binding.close()).catch(() => {});
  }

  async function use<T>(work: (port: OpenPort) => Promise<T>): Promise<T> {
    if (closed) throw new SerialError("no_port", `${devicePath} is closed`);
    port ??= open();
    try {
      return await work(await port);
    } catch (error) {
      // A chip that says nothing is not the port's fault.
      if (!(error instanceof SerialError && error.fault === "timeout")) await drop();
      throw toSerialError(devicePath, error);
    }
  }

  return {
    name: devicePath,
    write: (bytes) => use(({ binding }) => binding.write(Buffer.from(bytes))),
    read: (withinMs) =>
      use(async (port) => {
        port.reading ??= startReading(port.binding);
        try {
          const bytes = await withDeadline(clock, devicePath, withinMs, port.reading.bytes);
          port.reading = undefined;
          return bytes;
        } catch (error) {
          if (!(error instanceof DeadlineError)) throw error;
          throw new SerialError("timeout", `${devicePath}: nothing came within ${Math.ceil(withinMs)} ms`, {
            cause: error,
          });
        }
      }),
    discard: () =>
      use(async (port) => {
        await port.binding.flush();
        if (port.reading?.arrived) port.reading = undefined;
      }),
    async close() {
      closed = true;
      await drop();
    },
  };
}

function startReading(binding: SerialBinding): Reading {
  const buffer = Buffer.alloc(CHUNK_BYTES);
  const reading: Reading = {
    arrived: false,
    bytes: binding.read(buffer, 0, CHUNK_BYTES).then(({ bytesRead }) => {
      reading.arrived = true;
      return buffer.subarray(0, bytesRead);
    }),
  };
  return reading;
}

function toSerialError(name: string, cause: unknown): SerialError {
  if (cause instanceof SerialError) return cause;
  const text = cause instanceof Error ? cause.message : String(cause);
  if (/cannot lock port/i.test(text)) {
    const message = `${name}: another program has the port (a login console? raspi-config, Interface Options, Serial Port)`;
    return new SerialError("taken", message, { cause });
  }
  const [fault, message] = FAULTS[errorCode(cause)] ?? (["io", text] as const);
  return new SerialError(fault, `${name}: ${message}`, { cause });
}

async function loadSerialport(): Promise<SerialModule> {
  try {
    return (await import("@serialport/bindings-cpp")).default.LinuxBinding;
  } catch (cause) {
    throw new SerialError(
      "no_port",
      "the optional module @serialport/bindings-cpp does not load here: npm install @serialport/bindings-cpp",
      { cause },
    );
  }
}
