/**
 * The structures of the GPIO character device as bytes: uAPI v2, since Linux 5.10 (include/uapi/linux/gpio.h). The
 * offsets are the same on 32 and 64 bits; the byte order is the machine's, and every machine that Node.js supports a
 * GPIO chip on is little-endian.
 */

/** include/uapi/asm-generic/ioctl.h: direction, size of the structure, type 0xB4, number. */
const ioctlRequest = (direction: 2 | 3, number: number, bytes: number) =>
  ((direction << 30) | (bytes << 16) | (0xb4 << 8) | number) >>> 0;

const CHIP_INFO_BYTES = 68;
const LINE_INFO_BYTES = 256;
const LINE_REQUEST_BYTES = 592;
const LINE_VALUES_BYTES = 16;
const LINE_EVENT_BYTES = 48;

export const GPIO_GET_CHIPINFO = ioctlRequest(2, 0x01, CHIP_INFO_BYTES);
export const GPIO_V2_GET_LINEINFO = ioctlRequest(3, 0x05, LINE_INFO_BYTES);
export const GPIO_V2_GET_LINE = ioctlRequest(3, 0x07, LINE_REQUEST_BYTES);
export const GPIO_V2_LINE_GET_VALUES = ioctlRequest(3, 0x0e, LINE_VALUES_BYTES);
export const GPIO_V2_LINE_SET_VALUES = ioctlRequest(3, 0x0f, LINE_VALUES_BYTES);

/** enum gpio_v2_line_flag; what is left out is not asked for. */
export const Flag = {
  activeLow: 1 << 1,
  input: 1 << 2,
  output: 1 << 3,
  edgeRising: 1 << 4,
  edgeFalling: 1 << 5,
  openDrain: 1 << 6,
  openSource: 1 << 7,
  biasUp: 1 << 8,
  biasDown: 1 << 9,
  biasNone: 1 << 10,
} as const;

/** enum gpio_v2_line_attr_id */
const ATTRIBUTE_FLAGS = 1;
const ATTRIBUTE_OUTPUT_VALUES = 2;
const ATTRIBUTE_DEBOUNCE = 3;

/** GPIO_V2_LINE_NUM_ATTRS_MAX: how many attributes a request may carry. */
const MAX_ATTRIBUTES = 10;

/** GPIO_V2_LINES_MAX */
export const MAX_LINES = 64;

/** enum gpio_v2_line_event_id */
const EVENT_RISING = 1;

export interface ChipInfo {
  /** `gpiochip0` */
  readonly name: string;
  /** `pinctrl-bcm2711` */
  readonly label: string;
  readonly lineCount: number;
}

export interface LineInfo {
  /** Empty where the board gives it none. */
  readonly name: string;
  /** Who has requested it; empty where nobody has or did not say who. */
  readonly consumer: string;
  /** Somebody has it: a program, or a driver of the kernel. */
  readonly isUsed: boolean;
}

/** One line of a request. */
export interface RequestedLine {
  readonly offset: number;
  /** {@link Flag}s. */
  readonly flags: number;
  /** Of an output: its logical value from the moment it is one. */
  readonly initial?: 0 | 1;
}

export interface LineRequest {
  /** Of one chip; at most {@link MAX_LINES}. */
  readonly lines: readonly RequestedLine[];
  /** At most 31 bytes. */
  readonly consumer: string;
  /** Of inputs. 0: none. */
  readonly debounceUs?: number;
  /** Events that the kernel keeps until they are read; it may keep 1024. */
  readonly eventBufferSize?: number;
}

export interface LineEvent {
  readonly kind: "rising" | "falling";
  /** CLOCK_MONOTONIC. */
  readonly monotonicMs: number;
  /** Number of the event on this line: 1, 2, 3; wraps at 2^32. A gap is what the kernel had to drop. */
  readonly lineSeqno: number;
}

/** struct gpiochip_info, for the kernel to fill. */
export const emptyChipInfo = () => Buffer.alloc(CHIP_INFO_BYTES);

/** struct gpiochip_info: name @0, label @32, lines @64. */
export function readChipInfo(data: Buffer): ChipInfo {
  return { name: text(data, 0), label: text(data, 32), lineCount: data.readUInt32LE(64) };
}

/** struct gpio_v2_line_info that asks about a line: offset @64. */
export function askLineInfo(offset: number): Buffer {
  const data = Buffer.alloc(LINE_INFO_BYTES);
  data.writeUInt32LE(offset, 64);
  return data;
}

/** GPIO_V2_LINE_FLAG_USED */
const USED = 1 << 0;

/** struct gpio_v2_line_info: name @0, consumer @32, flags @72. */
export function readLineInfo(data: Buffer): LineInfo {
  return { name: text(data, 0), consumer: text(data, 32), isUsed: (data.readUInt32LE(72) & USED) !== 0 };
}

/**
 * struct gpio_v2_line_request: offsets[64] @0, consumer @256, config @288, num_lines @560, event_buffer_size @564, fd
 * @588. Of config (struct gpio_v2_line_config): flags @0, num_attrs @8, attrs @32, each with id @0, value @8, mask of
 * the lines it is for @16. Lines with other flags than the first get them by an attribute. Throws a {@link RangeError}
 * where the lines differ in more ways than a request can say.
 */
export function writeLineRequest(request: LineRequest): Buffer {
  const { lines } = request;
  const data = Buffer.alloc(LINE_REQUEST_BYTES);
  for (const [nth, { offset }] of lines.entries()) data.writeUInt32LE(offset, 4 * nth);
  data.write(request.consumer, 256, 31);
  const usual = lines[0]?.flags ?? 0;
  data.writeUInt32LE(usual, 288);
  const others = [...new Set(lines.map(({ flags }) => flags))].filter((flags) => flags !== usual);
  const attributes: [id: number, value: bigint, mask: bigint][] = others.map((flags) => [
    ATTRIBUTE_FLAGS,
    BigInt(flags),
    bits(lines.map((line) => line.flags === flags)),
  ]);
  const all = bits(lines.map(() => true));
  if (lines.some(({ initial }) => initial !== undefined))
    attributes.push([ATTRIBUTE_OUTPUT_VALUES, bits(lines.map(({ initial }) => initial === 1)), all]);
  if (request.debounceUs) attributes.push([ATTRIBUTE_DEBOUNCE, BigInt(request.debounceUs), all]);
  if (attributes.length > MAX_ATTRIBUTES || lines.length > MAX_LINES)
    throw new RangeError(`one request cannot say this of ${lines.length} lines`);
  data.writeUInt32LE(attributes.length, 296);
  attributes.forEach(([id, value, mask], nth) => {
    const at = 320 + 24 * nth;
    data.writeUInt32LE(id, at);
    data.writeBigUInt64LE(value, at + 8);
    data.writeBigUInt64LE(mask, at + 16);
  });
  data.writeUInt32LE(lines.length, 560);
  data.writeUInt32LE(request.eventBufferSize ?? 0, 564);
  return data;
}

/** A bit for each line of a request, the first line's lowest. */
function bits(set: readonly boolean[]): bigint {
  return set.reduce((word, bit, nth) => (bit ? word | (1n << BigInt(nth)) : word), 0n);
}

/** The descriptor of the requested line, in the request after the kernel has granted it. */
export const grantedFd = (request: Buffer) => request.readInt32LE(588);

/** struct gpio_v2_line_values of all lines of a request: bits @0, mask @8. */
export function writeLineValues(values: readonly (0 | 1)[]): Buffer {
  const data = Buffer.alloc(LINE_VALUES_BYTES);
  data.writeBigUInt64LE(bits(values.map((value) => value === 1)), 0);
  data.writeBigUInt64LE(bits(values.map(() => true)), 8);
  return data;
}

/** The first line's. */
export const readLineValue = (data: Buffer): 0 | 1 => (data.readUInt32LE(0) & 1 ? 1 : 0);

/** Room for this many events of one read(2). */
export const eventRoom = (count: number) => Buffer.alloc(count * LINE_EVENT_BYTES);

/** struct gpio_v2_line_event, as many as were read: timestamp_ns @0, id @8, line_seqno @20. */
export function readLineEvents(data: Buffer, bytes: number): LineEvent[] {
  return Array.from({ length: Math.floor(bytes / LINE_EVENT_BYTES) }, (_, nth) => {
    const at = nth * LINE_EVENT_BYTES;
    return {
      kind: data.readUInt32LE(at + 8) === EVENT_RISING ? "rising" : "falling",
      monotonicMs: Number(data.readBigUInt64LE(at)) / 1e6,
      lineSeqno: data.readUInt32LE(at + 20),
    };
  });
}

/** A text of at most 32 bytes with a zero byte at its end. */
function text(data: Buffer, at: number): string {
  return data.toString("utf8", at, at + 32).split("\0", 1)[0]!;
}
