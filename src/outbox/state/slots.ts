import { crc32 } from "node:zlib";
import { type FileLayer, isAbsent, isMediumError, type OpenFile } from "../files/files.ts";
import { readNumber, writeNumber } from "./number.ts";

/** Apart by a file-system block, so that no torn write reaches both. */
const SLOT_DISTANCE_BYTES = 4096;
const SLOT_COUNT = 2;
export const SLOT_FILE_BYTES = SLOT_COUNT * SLOT_DISTANCE_BYTES;

const MAGIC_BYTES = 8;
const COUNTER_AT = MAGIC_BYTES;
const PAYLOAD_AT = COUNTER_AT + 8;
const CRC_BYTES = 4;

/** What a small file of two alternating slots holds. */
export interface Codec<T> {
  /** 8 characters that name the content and its version. */
  readonly magic: string;
  readonly payloadBytes: number;
  encode(value: T, into: Buffer): void;
  decode(payload: Buffer): T;
}

/**
 * - `absent`: no file, or one that was never written
 * - `damaged`: bytes, but no intact slot among them
 */
export type SlotContent<T> =
  | { readonly found: "absent" | "damaged" }
  | { readonly found: "intact"; readonly value: T; readonly slot: number; readonly counter: number };

/** The newest intact slot of a file. */
export function readSlots<T>(files: FileLayer, path: string, codec: Codec<T>): SlotContent<T> {
  const bytes = Buffer.alloc(SLOT_FILE_BYTES);
  try {
    const file = files.open(path, "read");
    try {
      file.read(bytes, 0);
    } finally {
      file.close();
    }
  } catch (error) {
    if (isAbsent(error)) return { found: "absent" };
    if (isMediumError(error)) return { found: "damaged" };
    throw error;
  }
  let newest: SlotContent<T> | undefined;
  for (let slot = 0; slot < SLOT_COUNT; slot++) {
    const counter = counterOf(bytes.subarray(slot * SLOT_DISTANCE_BYTES), codec);
    if (counter === undefined || (newest?.found === "intact" && newest.counter > counter)) continue;
    const at = slot * SLOT_DISTANCE_BYTES + PAYLOAD_AT;
    const value = codec.decode(bytes.subarray(at, at + codec.payloadBytes));
    newest = { found: "intact", value, slot, counter };
  }
  return newest ?? { found: bytes.every((byte) => byte === 0) ? "absent" : "damaged" };
}

function counterOf<T>(slot: Buffer, codec: Codec<T>): number | undefined {
  if (slot.toString("latin1", 0, MAGIC_BYTES) !== codec.magic) return undefined;
  const crcAt = PAYLOAD_AT + codec.payloadBytes;
  if (crc32(slot.subarray(0, crcAt)) !== slot.readUInt32LE(crcAt)) return undefined;
  return readNumber(slot, COUNTER_AT);
}

/** Writes a value into one slot or the other, so that the one written before is there until the new one is whole. */
export class SlotWriter<T> {
  readonly #file: OpenFile;
  readonly #codec: Codec<T>;
  readonly #bytes: Buffer;
  readonly #payload: Buffer;
  readonly #covered: Buffer;
  #slot: number;
  #counter: number;

  /** Makes the file where it is absent and gives it its size once, so that no later write changes metadata. */
  constructor(files: FileLayer, path: string, codec: Codec<T>, content: SlotContent<T>) {
    const crcAt = PAYLOAD_AT + codec.payloadBytes;
    this.#codec = codec;
    this.#bytes = Buffer.alloc(crcAt + CRC_BYTES);
    this.#bytes.write(codec.magic, 0, "latin1");
    this.#payload = this.#bytes.subarray(PAYLOAD_AT, crcAt);
    this.#covered = this.#bytes.subarray(0, crcAt);
    this.#counter = content.found === "intact" ? content.counter : 0;
    this.#slot = content.found === "intact" ? 1 - content.slot : 0;
    this.#file = openOrCreate(files, path);
    try {
      if (this.#file.sizeBytes() < SLOT_FILE_BYTES)
        this.#file.write(Buffer.alloc(SLOT_FILE_BYTES), SLOT_FILE_BYTES, 0);
    } catch (error) {
      this.#file.close();
      throw error;
    }
  }

  /** Hands `value` to the kernel. Until {@link alternate} another call writes over the same slot. */
  write(value: T): void {
    this.#codec.encode(value, this.#payload);
    writeNumber(this.#bytes, ++this.#counter, COUNTER_AT);
    this.#bytes.writeUInt32LE(crc32(this.#covered), this.#covered.length);
    this.#file.write(this.#bytes, this.#bytes.length, this.#slot * SLOT_DISTANCE_BYTES);
  }

  alternate(): void {
    this.#slot = 1 - this.#slot;
  }

  sync(): Promise<void> {
    return this.#file.sync();
  }

  syncNow(): void {
    this.#file.syncNow();
  }

  close(): void {
    this.#file.close();
  }
}

function openOrCreate(files: FileLayer, path: string): OpenFile {
  try {
    return files.open(path, "write");
  } catch (error) {
    if (!isAbsent(error)) throw error;
    return files.open(path, "create");
  }
}
