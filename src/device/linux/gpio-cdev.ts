import { EdgeQueue } from "../edge-queue.ts";
import {
  assertValues,
  type Bias,
  type Drive,
  type EdgeKind,
  type Gpio,
  GpioError,
  type LineId,
  type OutputRequest,
} from "../gpio.ts";
import type { CharDevices } from "./char-devices.ts";
import { askOwner, findLine, type Line, withChip } from "./gpio-cdev-line.ts";
import { toGpioError } from "./gpio-export.ts";
import {
  eventRoom,
  Flag,
  GPIO_V2_GET_LINE,
  GPIO_V2_LINE_GET_VALUES,
  GPIO_V2_LINE_SET_VALUES,
  grantedFd,
  type LineRequest,
  type RequestedLine,
  readLineEvents,
  readLineValue,
  writeLineRequest,
  writeLineValues,
} from "./gpio-uapi.ts";
import { errorCode } from "./text-files.ts";

export interface CdevGpioOptions {
  /** Those of `/dev`. */
  readonly devices: CharDevices;
  /** Name or label of the GPIO chip; default `auto`: the one behind the header. */
  readonly chip?: string;
}

/** As it appears in `gpioinfo`. */
const CONSUMER = "fieldpost";

/** The most that the kernel keeps for one line: a second of 1 kHz in which the event loop is busy. */
const EVENT_BUFFER_SIZE = 1_024;

/** Read at once; between two reads the line's reader gets its turn, so that its queue need not hold more. */
const EVENTS_AT_ONCE = 64;

const BIAS: Readonly<Record<Bias, number>> = {
  up: Flag.biasUp,
  down: Flag.biasDown,
  none: Flag.biasNone,
};

const EDGES: Readonly<Record<EdgeKind, number>> = {
  rising: Flag.edgeRising,
  falling: Flag.edgeFalling,
  both: Flag.edgeRising | Flag.edgeFalling,
};

const DRIVES: Readonly<Record<Drive, number>> = {
  push_pull: 0,
  open_drain: Flag.openDrain,
  open_source: Flag.openSource,
};

/**
 * GPIO through the kernel's character device. A line that is given back, also by the end of the process, is the chip
 * driver's to do with as it likes: Raspberry Pi's kernels go on driving an output, others may make it an input.
 */
export function cdevGpio({ devices, chip = "auto" }: CdevGpioOptions): Gpio<LineId> {
  return {
    async input({ pin, bias, activeLow, edges = "both", debounceMs = 0 }) {
      const flags = Flag.input | EDGES[edges] | (bias ? BIAS[bias] : 0) | (activeLow ? Flag.activeLow : 0);
      const line = openLines(devices, [{ ...findLine(devices, chip, pin), flags }], {
        debounceUs: Math.round(debounceMs * 1_000),
        eventBufferSize: EVENT_BUFFER_SIZE,
      });
      const queue = new EdgeQueue();
      const unwatch = followEdges(devices, line, debounceMs, queue);
      return {
        async get() {
          const values = writeLineValues([0]);
          line.ioctl(GPIO_V2_LINE_GET_VALUES, values);
          return readLineValue(values);
        },
        edges: (signal) => queue.read(signal),
        async close() {
          unwatch();
          queue.close();
          line.close();
        },
      };
    },

    async output(request) {
      const line = openLines(devices, [outputLine(request)]);
      let told = request.initial;
      return {
        async set(value) {
          line.ioctl(GPIO_V2_LINE_SET_VALUES, writeLineValues([value]));
          told = value;
        },
        get: async () => told,
        close: async () => line.close(),
      };
    },

    async outputs(requests) {
      const lines = openLines(devices, requests.map(outputLine));
      let told = requests.map(({ initial }) => initial);
      return {
        async set(values) {
          assertValues(values, requests.length);
          lines.ioctl(GPIO_V2_LINE_SET_VALUES, writeLineValues(values));
          told = [...values];
        },
        get: async () => told,
        close: async () => lines.close(),
      };
    },
  };

  function outputLine({ pin, activeLow, initial, drive = "push_pull", bias }: OutputRequest<LineId>) {
    const flags = Flag.output | DRIVES[drive] | (bias ? BIAS[bias] : 0) | (activeLow ? Flag.activeLow : 0);
    return { ...findLine(devices, chip, pin), flags, initial };
  }
}

/** What one request was granted for. */
interface OpenLines {
  /** For people: `GPIO17`, or several of them. */
  readonly name: string;
  readonly fd: number;
  ioctl(request: number, data: Buffer): void;
  close(): void;
}

function openLines(
  devices: CharDevices,
  lines: readonly (Line & RequestedLine)[],
  config: Pick<LineRequest, "debounceUs" | "eventBufferSize"> = {},
): OpenLines {
  const name = lines.map((line) => line.name).join(", ");
  const [first] = lines;
  if (first === undefined) throw new RangeError("a request for no line");
  if (lines.some(({ device }) => device !== first.device))
    throw new GpioError("unsupported", `${name}: lines that change together must be on one GPIO chip`);
  const request = writeLineRequest({ ...config, lines, consumer: CONSUMER });
  withChip(devices, first.device, (chip) => {
    try {
      devices.ioctl(chip, GPIO_V2_GET_LINE, request);
    } catch (cause) {
      throw refused(lines, cause, (offset) => askOwner(devices, chip, offset));
    }
  });
  const fd = grantedFd(request);
  let open = true;
  return {
    name,
    fd,
    ioctl(number, data) {
      if (!open) throw new GpioError("io", `${name} was given back`);
      try {
        devices.ioctl(fd, number, data);
      } catch (cause) {
        throw toGpioError(name, cause);
      }
    },
    close() {
      if (open) devices.close(fd);
      open = false;
    },
  };
}

function refused(lines: readonly Line[], cause: unknown, ownerOf: (offset: number) => string): GpioError {
  const code = errorCode(cause);
  const name = lines.map((line) => line.name).join(", ");
  if (code === "EBUSY") {
    for (const { name: taken, offset } of lines) {
      const owner = ownerOf(offset);
      if (owner !== "") return new GpioError("taken", `${taken}: "${owner}" owns the line`, { cause });
    }
  }
  if (code !== "ENXIO") return toGpioError(name, cause);
  return new GpioError("unsupported", `${name}: the line makes no interrupts, so it has no edges`, { cause });
}

/** Passes on what the kernel tells of a line; returns what ends that. */
function followEdges(
  devices: CharDevices,
  line: OpenLines,
  debounceMs: number,
  queue: EdgeQueue,
): () => void {
  const room = eventRoom(EVENTS_AT_ONCE);
  let seqno = 0;
  let watched = true;
  const unwatch = devices.watch(line.fd, (error) => {
    try {
      if (error) throw error;
      for (const { kind, monotonicMs, lineSeqno } of readLineEvents(room, devices.read(line.fd, room))) {
        const missed = (lineSeqno - seqno - 1) >>> 0;
        seqno = lineSeqno;
        // The kernel stamps a debounced edge when the level has held long enough.
        queue.push({ kind, monotonicMs: monotonicMs - debounceMs, missed });
      }
    } catch (cause) {
      if (errorCode(cause) === "EAGAIN") return;
      stop();
      queue.fail(toGpioError(line.name, cause));
    }
  });
  function stop(): void {
    if (watched) unwatch();
    watched = false;
  }
  return stop;
}
