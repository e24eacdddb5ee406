import type { Clock } from "../device/clock.ts";
import { SerialError, type SerialPort } from "../device/serial.ts";
import { SensorError } from "./driver.ts";

/** How a frame is told from what else comes on a line. */
export interface FrameShape {
  readonly lengthBytes: number;
  readonly start: readonly number[];
  /** Whether its checksum is right. */
  isWhole(frame: Uint8Array): boolean;
}

/**
 * The next whole frame, wherever in the stream it begins. Rejects when none comes within so long: with `crc` where
 * something came, else as the port does.
 */
export async function readFrame(
  port: SerialPort,
  clock: Clock,
  { lengthBytes, start, isWhole }: FrameShape,
  withinMs: number,
): Promise<Uint8Array> {
  const endMs = clock.monotonicMs() + withinMs;
  let heard: number[] = [];
  let sawSome = false;
  for (;;) {
    const leftMs = endMs - clock.monotonicMs();
    try {
      heard.push(...(await port.read(Math.max(1, leftMs))));
    } catch (error) {
      if (!sawSome || !(error instanceof SerialError && error.fault === "timeout")) throw error;
      throw brokenFrames(port);
    }
    sawSome = true;
    for (heard = from(start, heard); heard.length >= lengthBytes; heard = from(start, heard.slice(1))) {
      const frame = Uint8Array.from(heard.slice(0, lengthBytes));
      if (isWhole(frame)) return frame;
    }
    if (clock.monotonicMs() >= endMs) throw brokenFrames(port);
  }
}

function brokenFrames(port: SerialPort): SensorError {
  return new SensorError(
    "crc",
    `${port.name}: what comes is no frame of this chip: noise, or another chip or speed`,
  );
}

/** What is left from the first place on where `start` could begin. */
function from(start: readonly number[], heard: readonly number[]): number[] {
  const at = heard.findIndex((_, index) =>
    start.every((byte, offset) => index + offset >= heard.length || heard[index + offset] === byte),
  );
  return at < 0 ? [] : heard.slice(at);
}
