import type { I2CFuncs } from "i2c-bus";
import type { I2cBusModule } from "../../../src/device/linux/i2c.ts";
import type { Adapter } from "../../../src/device/linux/i2c-transfer.ts";
import { nativeError, nodeError } from "./system-error.ts";

/** A file of i2c-dev: the kernel's slave address is 0 until it is set. */
interface DeviceFile {
  address: number;
}

/** A chip: answers a read with these bytes, whatever was written before. */
export interface FakeChip {
  readonly answer: readonly number[];
}

const SMBUS_ONLY = {
  smbusQuick: true,
  smbusReceiveByte: true,
  smbusSendByte: true,
  smbusReadByte: true,
  smbusWriteByte: true,
  smbusReadWord: true,
  smbusWriteWord: true,
  smbusReadI2cBlock: true,
  smbusWriteI2cBlock: true,
};

/**
 * i2c-bus 5.2.3 with the traps that were measured on it: `openPromisified` never fails, a file is kept before its
 * address is set, and one on which that failed keeps address 0. Stricter than the real one in what must never be done:
 * two calls at once and calls after `close` throw.
 */
export class FakeI2cBus implements I2cBusModule {
  readonly chips = new Map<number, FakeChip>();
  /** What went over the wire: `76 w d0`, `76 r 3`, `76 block fa 3`. */
  readonly wire: string[] = [];
  /** Errors for the coming calls at an address, by the step in which they strike. */
  readonly faults: { step: "open" | "setAddr" | "transfer"; address: number; error: Error }[] = [];
  functions: Partial<I2CFuncs> = { i2c: true, ...SMBUS_ONLY };
  /** Bytes that are missing at the end of what is read or written. */
  shortBy = 0;
  /** Awaited in each transfer. */
  hold: Promise<void> = Promise.resolve();
  opened = 0;
  closed = 0;

  static smbusOnly(): FakeI2cBus {
    const fake = new FakeI2cBus();
    fake.functions = SMBUS_ONLY;
    return fake;
  }

  async openPromisified(_busNumber: number): Promise<Adapter> {
    this.opened++;
    return this.#adapter();
  }

  #adapter(): Adapter {
    const files = new Map<number, DeviceFile>();
    let busy = false;
    let closed = false;

    const file = (address: number): DeviceFile => {
      const kept = files.get(address);
      if (kept) return kept;
      this.#strike("open", address);
      const opened = { address: 0 };
      files.set(address, opened);
      this.#strike("setAddr", address);
      opened.address = address;
      return opened;
    };
    const call = async <T>(address: number, text: string, act: (chip: FakeChip) => T): Promise<T> => {
      if (closed) throw new Error("i2c-bus was used after close");
      if (busy) throw new Error("two calls at once on one i2c-bus");
      busy = true;
      try {
        const onWire = file(address).address;
        await this.hold;
        this.#strike("transfer", address);
        this.wire.push(`${hex(onWire)} ${text}`);
        const chip = this.chips.get(onWire);
        if (!chip) throw nativeError(121, "transfer");
        return act(chip);
      } finally {
        busy = false;
      }
    };
    const fill = (buffer: Buffer, length: number) => (chip: FakeChip) => {
      const bytesRead = length - this.shortBy;
      for (let index = 0; index < bytesRead; index++) buffer[index] = chip.answer[index] ?? 0xff;
      return { bytesRead, buffer };
    };
    const bytes = (buffer: Uint8Array) => [...buffer].map(hex).join(" ");

    return {
      i2cFuncs: async () => {
        if (closed) throw new Error("i2c-bus was used after close");
        file(0);
        return this.functions as I2CFuncs;
      },
      i2cRead: (address, length, buffer) => call(address, `r ${length}`, fill(buffer, length)),
      i2cWrite: (address, length, buffer) =>
        call(address, `w ${bytes(buffer.subarray(0, length))}`, () => ({
          bytesWritten: length - this.shortBy,
          buffer,
        })),
      readI2cBlock: (address, command, length, buffer) =>
        call(address, `block ${hex(command)} ${length}`, fill(buffer, length)),
      writeI2cBlock: (address, command, length, buffer) =>
        call(address, `write block ${hex(command)} ${bytes(buffer.subarray(0, length))}`, () => ({
          bytesWritten: length,
          buffer,
        })),
      readByte: (address, command) => call(address, `byte ${hex(command)}`, (chip) => chip.answer[0]!),
      readWord: (address, command) =>
        call(address, `word ${hex(command)}`, ({ answer }) => answer[0]! | (answer[1]! << 8)),
      receiveByte: (address) => call(address, "receive", (chip) => chip.answer[0]!),
      sendByte: (address, byte) => call(address, `send ${hex(byte)}`, () => {}),
      writeByte: (address, command, byte) =>
        call(address, `write byte ${hex(command)} ${hex(byte)}`, () => {}),
      writeWord: (address, command, word) =>
        call(address, `write word ${hex(command)} ${word.toString(16)}`, () => {}),
      writeQuick: (address, bit) => call(address, `quick ${bit}`, () => {}),
      close: async () => {
        if (closed) throw new Error("i2c-bus was closed twice");
        closed = true;
        this.closed++;
      },
    };
  }

  #strike(step: "open" | "setAddr" | "transfer", address: number): void {
    const index = this.faults.findIndex((fault) => fault.step === step && fault.address === address);
    if (index >= 0) throw this.faults.splice(index, 1)[0]!.error;
  }
}

export const openError = (code: "ENOENT" | "EACCES" | "ENODEV") => nodeError(code, "open");

function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
