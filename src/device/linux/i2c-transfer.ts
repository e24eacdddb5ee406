import type { I2CFuncs, PromisifiedBus } from "i2c-bus";
import { formatAddress, I2cError } from "../i2c.ts";

/** What this program uses of an opened i2c-bus. */
export type Adapter = Pick<
  PromisifiedBus,
  | "i2cFuncs"
  | "i2cRead"
  | "i2cWrite"
  | "readByte"
  | "readWord"
  | "readI2cBlock"
  | "receiveByte"
  | "sendByte"
  | "writeByte"
  | "writeWord"
  | "writeI2cBlock"
  | "close"
> & {
  /** @types/i2c-bus 5.1.2 gives it a command byte, which the SMBus quick command and i2c-bus 5.2.3 do not have. */
  writeQuick(address: number, bit: 0 | 1): Promise<void>;
};

/** I2C_SMBUS_BLOCK_MAX (include/uapi/linux/i2c.h). */
const MAX_BLOCK_BYTES = 32;

/** One request, with the adapter's abilities beside it. */
interface Request {
  readonly adapter: Adapter;
  readonly can: I2CFuncs;
  readonly address: number;
  readonly write: Uint8Array;
  readonly readLength: number;
}

/**
 * Writes, then reads, by the calls that i2c-bus has. It has no I2C_RDWR: a combined transfer (repeated start) exists
 * only as the SMBus "I2C block read" of one command byte and up to 32 bytes; any other write-then-read has a stop
 * condition between its halves.
 */
export async function transfer(
  adapter: Adapter,
  address: number,
  write: Uint8Array,
  readLength: number,
): Promise<Uint8Array> {
  const request = { adapter, can: await adapter.i2cFuncs(), address, write, readLength };
  if (write.length === 0 && readLength === 0) return probe(request);
  if (
    write.length === 1 &&
    readLength > 0 &&
    readLength <= MAX_BLOCK_BYTES &&
    request.can.smbusReadI2cBlock
  ) {
    return readBlock(request);
  }
  return request.can.i2c ? writeThenRead(request) : smbus(request);
}

/** The address alone on the wire: SMBus quick command. */
async function probe(request: Request): Promise<Uint8Array> {
  if (!request.can.smbusQuick) throw unsupported(request);
  await request.adapter.writeQuick(request.address, 0);
  return new Uint8Array(0);
}

async function readBlock({ adapter, address, write, readLength }: Request): Promise<Uint8Array> {
  const { bytesRead, buffer } = await adapter.readI2cBlock(
    address,
    write[0]!,
    readLength,
    Buffer.alloc(readLength),
  );
  return complete(buffer, bytesRead, readLength, address);
}

async function writeThenRead({ adapter, address, write, readLength }: Request): Promise<Uint8Array> {
  if (write.length > 0) {
    const { bytesWritten } = await adapter.i2cWrite(address, write.length, Buffer.from(write));
    if (bytesWritten !== write.length) {
      throw new I2cError("io", `${formatAddress(address)}: wrote ${bytesWritten} of ${write.length} bytes`);
    }
  }
  if (readLength === 0) return new Uint8Array(0);
  const { bytesRead, buffer } = await adapter.i2cRead(address, readLength, Buffer.alloc(readLength));
  return complete(buffer, bytesRead, readLength, address);
}

/** For adapters that know SMBus only (PC chipsets, i2c-stub): the calls that put the same bits on the wire. */
async function smbus(request: Request): Promise<Uint8Array> {
  if (request.readLength === 0) {
    await smbusWrite(request);
    return new Uint8Array(0);
  }
  return smbusRead(request);
}

async function smbusWrite(request: Request): Promise<void> {
  const { adapter, can, address, write } = request;
  const [command = 0, first = 0, second = 0] = write;
  if (write.length === 1 && can.smbusSendByte) return adapter.sendByte(address, command);
  if (write.length === 2 && can.smbusWriteByte) return adapter.writeByte(address, command, first);
  if (write.length === 3 && can.smbusWriteWord) {
    return adapter.writeWord(address, command, first | (second << 8));
  }
  if (write.length > MAX_BLOCK_BYTES + 1 || !can.smbusWriteI2cBlock) throw unsupported(request);
  await adapter.writeI2cBlock(address, command, write.length - 1, Buffer.from(write.subarray(1)));
}

async function smbusRead(request: Request): Promise<Uint8Array> {
  const { adapter, can, address, write, readLength } = request;
  if (write.length === 0 && readLength === 1 && can.smbusReceiveByte) {
    return Uint8Array.of(await adapter.receiveByte(address));
  }
  if (write.length === 1 && readLength === 1 && can.smbusReadByte) {
    return Uint8Array.of(await adapter.readByte(address, write[0]!));
  }
  if (write.length === 1 && readLength === 2 && can.smbusReadWord) {
    const word = await adapter.readWord(address, write[0]!);
    return Uint8Array.of(word & 0xff, word >> 8);
  }
  throw unsupported(request);
}

function complete(buffer: Buffer, bytesRead: number, readLength: number, address: number): Uint8Array {
  if (bytesRead !== readLength) {
    throw new I2cError("short_read", `${formatAddress(address)}: ${bytesRead} of ${readLength} bytes came`);
  }
  return Uint8Array.from(buffer);
}

function unsupported({ address, write, readLength }: Request): I2cError {
  const shape = `write ${write.length}, read ${readLength}`;
  return new I2cError(
    "unsupported",
    `${formatAddress(address)}: the adapter cannot do this transfer (${shape})`,
  );
}
