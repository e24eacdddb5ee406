import type { Clock } from "../clock.ts";
import type { Random } from "../random.ts";
import { SerialError, type SerialPort, type SerialSettings } from "../serial.ts";
import { flipOneBit } from "./noise.ts";

/**
 * - `silent`: nothing comes (no power, a broken wire)
 * - `bad_crc`: noise flips a bit of everything that the chip says
 * - `short_read`: the last byte of everything that the chip says is lost
 * - `absent`: the port is gone, as that of a USB adapter that was pulled out
 */
export type SimSerialFault = "silent" | "bad_crc" | "short_read" | "absent";

/** Bytes that end at this monotonic time. */
export interface Utterance {
  readonly atMs: number;
  /** What they are, asked for when they have come. */
  bytes(): Uint8Array;
}

/** A chip at byte level. */
export interface SimSerialChip {
  hear(bytes: Uint8Array): void;
  /** The first thing that it says after this monotonic time; undefined: nothing, unless it hears something. */
  next(afterMs: number): Utterance | undefined;
}

/** So many bytes a read gives at most, as a kernel hands them over while they come. */
const CHUNK_BYTES = 8;

interface SimPort {
  readonly chip: SimSerialChip;
  fault: SimSerialFault | undefined;
}

/** The serial ports of the simulated board. */
export class SimSerial {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #ports = new Map<string, SimPort>();

  constructor({ clock, random }: { readonly clock: Clock; readonly random: Random }) {
    this.#clock = clock;
    this.#random = random;
  }

  attach(devicePath: string, chip: SimSerialChip): void {
    this.#ports.set(devicePath, { chip, fault: undefined });
  }

  /** Makes what hangs on a port fail until told otherwise (`undefined`). */
  fail(devicePath: string, fault: SimSerialFault | undefined): void {
    const port = this.#ports.get(devicePath);
    if (port) port.fault = fault;
  }

  port({ devicePath }: SerialSettings): SerialPort {
    let readUpToMs = this.#clock.monotonicMs();
    let waiting: Uint8Array = new Uint8Array();
    const plugged = (): SimPort => {
      const port = this.#ports.get(devicePath);
      if (port && port.fault !== "absent") return port;
      throw new SerialError("no_port", `${devicePath}: no such port`);
    };
    return {
      name: devicePath,
      async write(bytes) {
        const { chip, fault } = plugged();
        if (fault !== "silent") chip.hear(Uint8Array.from(bytes));
      },
      read: async (withinMs) => {
        if (waiting.length === 0) {
          const endMs = this.#clock.monotonicMs() + withinMs;
          for (;;) {
            const utterance = plugged().chip.next(readUpToMs);
            const atMs = Math.min(endMs, utterance?.atMs ?? endMs);
            await this.#clock.sleep(Math.max(0, atMs - this.#clock.monotonicMs()));
            const { fault } = plugged();
            if (!utterance || utterance.atMs > endMs || (fault === "silent" && atMs >= endMs)) {
              throw new SerialError(
                "timeout",
                `${devicePath}: nothing came within ${Math.ceil(withinMs)} ms`,
              );
            }
            readUpToMs = utterance.atMs;
            if (fault === "silent") continue;
            waiting = this.#spoil(utterance.bytes(), fault);
            break;
          }
        }
        const chunk = waiting.subarray(0, CHUNK_BYTES);
        waiting = waiting.subarray(CHUNK_BYTES);
        return chunk;
      },
      discard: async () => {
        plugged();
        readUpToMs = this.#clock.monotonicMs();
        waiting = new Uint8Array();
      },
      close: async () => {},
    };
  }

  #spoil(bytes: Uint8Array, fault: SimSerialFault | undefined): Uint8Array {
    if (fault === "bad_crc") flipOneBit(bytes, this.#random);
    return fault === "short_read" ? bytes.subarray(0, -1) : bytes;
  }
}
