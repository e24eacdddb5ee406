import type { CharDevices } from "../../../src/device/linux/char-devices.ts";
import { nodeError } from "./system-error.ts";

type Level = 0 | 1;

export interface FakeLine {
  /** As the device tree calls it. */
  name: string;
  /** Empty while nobody has requested it. */
  consumer: string;
  electrical: Level;
  /** Whether it can make interrupts. */
  interrupts: boolean;
  /** Electrical levels that it drove as an output. */
  readonly driven: Level[];
  request: Request | undefined;
}

export interface FakeChip {
  readonly name: string;
  readonly label: string;
  readonly lines: FakeLine[];
}

interface Request {
  readonly flags: bigint;
  readonly debounceUs: number;
  readonly capacity: number;
  readonly events: Buffer[];
  seqno: number;
}

type Handle =
  | { readonly chip: FakeChip }
  | { readonly lines: readonly FakeLine[]; readonly requests: readonly Request[] };

const EVENT_BYTES = 48;
const ACTIVE_LOW = 1n << 1n;
const INPUT = 1n << 2n;
const OUTPUT = 1n << 3n;
const RISING = 1n << 4n;
const FALLING = 1n << 5n;
const DRIVES = [1n << 6n, 1n << 7n];
const BIASES = [1n << 8n, 1n << 9n, 1n << 10n];

export function fakeChip(
  name: string,
  label: string,
  lineCount: number,
  names: readonly string[] = [],
): FakeChip {
  return {
    name,
    label,
    lines: Array.from({ length: lineCount }, (_, offset) => ({
      name: names[offset] ?? "",
      consumer: "",
      electrical: 0,
      interrupts: true,
      driven: [],
      request: undefined,
    })),
  };
}

/**
 * The kernel's GPIO character devices in memory, as strict as drivers/gpio/gpiolib-cdev.c: what it refuses is refused
 * with the same error, a full buffer loses its oldest event, and a read takes whole events only.
 */
export class FakeCharDevices implements CharDevices {
  /** What opening a device throws. */
  openError: Error | undefined;
  /** Before Linux 5.10 no request of uAPI v2 is known. */
  old = false;
  /** The kernel may hand out fewer events than there is room for. */
  eventsPerRead = 16;
  readonly #chips: ReadonlyMap<string, FakeChip>;
  readonly #handles = new Map<number, Handle>();
  readonly #watches = new Map<number, (error?: Error) => void>();
  #lastFd = 20;

  /** By name in the folder; two names may lead to one chip. */
  constructor(chips: Readonly<Record<string, FakeChip>>) {
    this.#chips = new Map(Object.entries(chips));
  }

  /** Descriptors that have not been closed. */
  get openCount(): number {
    return this.#handles.size;
  }

  /** Changes the level on the wire at a moment; a requested input tells of it when it is told to. */
  drive(line: FakeLine, electrical: Level, atMs: number): void {
    if (line.electrical === electrical) return;
    line.electrical = electrical;
    const { request } = line;
    if (!request) return;
    const rising = (electrical === 1) !== ((request.flags & ACTIVE_LOW) !== 0n);
    if ((request.flags & (rising ? RISING : FALLING)) === 0n) return;
    const event = Buffer.alloc(EVENT_BYTES);
    event.writeBigUInt64LE(BigInt(Math.round((atMs * 1_000 + request.debounceUs) * 1_000)), 0);
    event.writeUInt32LE(rising ? 1 : 2, 8);
    request.seqno = (request.seqno + 1) >>> 0;
    event.writeUInt32LE(request.seqno, 16);
    event.writeUInt32LE(request.seqno, 20);
    request.events.push(event);
    if (request.events.length > request.capacity) request.events.shift();
  }

  /** Turns of the event loop until nobody is told anything any more. */
  async settle(): Promise<void> {
    for (let told = true; told; ) {
      told = false;
      for (const [fd, ready] of [...this.#watches]) {
        const handle = this.#handles.get(fd)!;
        if (!("requests" in handle) || handle.requests[0]!.events.length === 0) continue;
        told = true;
        ready();
      }
      await new Promise(setImmediate);
    }
  }

  /** The chip goes away under an open line. */
  unplug(line: FakeLine): void {
    for (const [fd, ready] of [...this.#watches]) {
      const handle = this.#handles.get(fd)!;
      if ("lines" in handle && handle.lines.includes(line)) ready(nodeError("EBADF", "poll"));
    }
  }

  list(): readonly string[] {
    return ["null", "i2c-1", ...this.#chips.keys()];
  }

  open(name: string): number {
    if (this.openError) throw this.openError;
    const chip = this.#chips.get(name);
    if (!chip) throw nodeError("ENOENT", "open");
    return this.#add({ chip });
  }

  close(fd: number): void {
    const handle = this.#handle(fd);
    if (this.#watches.has(fd)) throw new Error("a descriptor was closed while it was watched");
    this.#handles.delete(fd);
    if (!("lines" in handle)) return;
    for (const line of handle.lines) {
      line.consumer = "";
      line.request = undefined;
    }
  }

  ioctl(fd: number, request: number, data: Buffer): void {
    if (data.length < ((request >>> 16) & 0x3fff)) throw new Error("the buffer is too short");
    const handle = this.#handle(fd);
    const answer =
      "chip" in handle ? this.#chipIoctl(handle.chip, request, data) : lineIoctl(handle, request, data);
    if (!answer) throw nodeError("EINVAL", "ioctl");
  }

  read(fd: number, into: Buffer): number {
    const handle = this.#handle(fd);
    if (!("requests" in handle) || into.length < EVENT_BYTES) throw nodeError("EINVAL", "read");
    const count = Math.min(this.eventsPerRead, Math.floor(into.length / EVENT_BYTES));
    const events = handle.requests[0]!.events.splice(0, count);
    if (events.length === 0) throw nodeError("EAGAIN", "read");
    return Buffer.concat(events).copy(into);
  }

  watch(fd: number, ready: (error?: Error) => void): () => void {
    if (this.#watches.has(fd)) throw nodeError("EEXIST", "watch");
    this.#watches.set(fd, ready);
    return () => {
      if (!this.#watches.delete(fd)) throw new Error("unwatched twice");
    };
  }

  #handle(fd: number): Handle {
    const handle = this.#handles.get(fd);
    if (!handle) throw nodeError("EBADF", "ioctl");
    return handle;
  }

  #add(handle: Handle): number {
    this.#lastFd++;
    this.#handles.set(this.#lastFd, handle);
    return this.#lastFd;
  }

  #chipIoctl(chip: FakeChip, request: number, data: Buffer): boolean {
    if (request === 0x8044b401) {
      data.write(chip.name, 0);
      data.write(chip.label, 32);
      data.writeUInt32LE(chip.lines.length, 64);
      return true;
    }
    if (this.old) return false;
    if (request === 0xc100b405) {
      const line = chip.lines[data.readUInt32LE(64)];
      if (!line) return false;
      data.write(line.name, 0);
      data.write(line.consumer, 32);
      data.writeUInt32LE(line.consumer === "" ? 0 : 1, 72);
      return true;
    }
    return request === 0xc250b407 && this.#requestLines(chip, data);
  }

  #requestLines(chip: FakeChip, data: Buffer): boolean {
    const lines = Array.from({ length: data.readUInt32LE(560) }, (_, nth) => {
      const attributes = readAttributes(data, nth);
      const flags = attributes.get(1) ?? data.readBigUInt64LE(288);
      return { line: chip.lines[data.readUInt32LE(4 * nth)], nth, attributes, flags };
    });
    if (
      lines.length === 0 ||
      lines.some(({ line, flags, attributes }) => !line || !isValid(flags, attributes))
    )
      return false;
    for (const { line, flags } of lines) {
      if (line!.consumer !== "") throw nodeError("EBUSY", "ioctl");
      if ((flags & (RISING | FALLING)) !== 0n && !line!.interrupts) throw nodeError("ENXIO", "ioctl");
    }
    const requests = lines.map(({ line, flags, attributes, nth }) => {
      const request: Request = {
        flags,
        debounceUs: Number(attributes.get(3) ?? 0n),
        capacity: Math.min(data.readUInt32LE(564) || 16, 1_024),
        events: [],
        seqno: 0,
      };
      line!.consumer = data.toString("utf8", 256, 288).split("\0", 1)[0]!;
      line!.request = request;
      if ((flags & OUTPUT) !== 0n) driveOutput(line!, flags, bit(attributes.get(2) ?? 0n, nth));
      return request;
    });
    data.writeInt32LE(this.#add({ lines: lines.map(({ line }) => line!), requests }), 588);
    return true;
  }
}

function lineIoctl(
  { lines, requests }: { readonly lines: readonly FakeLine[]; readonly requests: readonly Request[] },
  number: number,
  data: Buffer,
): boolean {
  const mask = data.readBigUInt64LE(8);
  if (mask === 0n) return false;
  if (number === 0xc010b40e) {
    data.writeUInt32LE(lines[0]!.electrical ^ Number((requests[0]!.flags & ACTIVE_LOW) !== 0n), 0);
    return true;
  }
  if (number !== 0xc010b40f) return false;
  const values = data.readBigUInt64LE(0);
  for (const [nth, line] of lines.entries()) {
    const { flags } = requests[nth]!;
    if ((flags & OUTPUT) === 0n) throw nodeError("EPERM", "ioctl");
    if (bit(mask, nth) === 1) driveOutput(line, flags, bit(values, nth));
  }
  return true;
}

function bit(word: bigint, nth: number): number {
  return Number((word >> BigInt(nth)) & 1n);
}

function driveOutput(line: FakeLine, flags: bigint, value: number): void {
  line.electrical = (value ^ Number((flags & ACTIVE_LOW) !== 0n)) as Level;
  line.driven.push(line.electrical);
}

/** By id: what is said for the line that is `nth` in the request. */
function readAttributes(data: Buffer, nth: number): ReadonlyMap<number, bigint> {
  const attributes = new Map<number, bigint>();
  for (let at = 320; at < 320 + 24 * data.readUInt32LE(296); at += 24)
    if (bit(data.readBigUInt64LE(at + 16), nth) === 1)
      attributes.set(data.readUInt32LE(at), data.readBigUInt64LE(at + 8));
  return attributes;
}

/** gpio_v2_line_config_validate() */
function isValid(flags: bigint, attributes: ReadonlyMap<number, bigint>): boolean {
  const known = [ACTIVE_LOW, INPUT, OUTPUT, RISING, FALLING, ...DRIVES, ...BIASES].reduce(
    (all, flag) => all | flag,
  );
  const isInput = (flags & INPUT) !== 0n;
  const isOutput = (flags & OUTPUT) !== 0n;
  return (
    (flags & ~known) === 0n &&
    isInput !== isOutput &&
    (isInput || (flags & (RISING | FALLING)) === 0n) &&
    (isInput || !attributes.has(3)) &&
    (isOutput || !attributes.has(2)) &&
    (isOutput || DRIVES.every((drive) => (flags & drive) === 0n)) &&
    DRIVES.filter((drive) => (flags & drive) !== 0n).length <= 1 &&
    BIASES.filter((bias) => (flags & bias) !== 0n).length <= 1
  );
}
