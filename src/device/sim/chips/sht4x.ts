import { type ChipSite, Nack, type SimChip } from "../chip.ts";
import { crc8 } from "../crc8.ts";

/** Measuring commands with their typical and longest time, milliseconds (SHT4x datasheet version 6, section 3.1). */
const MEASUREMENTS: ReadonlyMap<number, readonly [typicalMs: number, maxMs: number]> = new Map([
  [0xfd, [6.9, 8.3]],
  [0xf6, [3.7, 4.5]],
  [0xe0, [1.3, 1.6]],
]);
const SOFT_RESET = 0x94;
const READ_SERIAL = 0x89;
const RESET_MS = 0.9;

const SERIAL = [0x0f5e, 0xed01] as const;

/** An SHT4x: acknowledges nothing while it is busy, and a read only once after each command. */
export function simSht4x({ place, world, clock, random }: ChipSite): SimChip {
  let busyUntilMs = 0;
  let answer: (() => Uint8Array) | undefined;

  function begin(durationMs: number, next: typeof answer): void {
    busyUntilMs = clock.monotonicMs() + durationMs;
    answer = next;
  }

  function measured(): Uint8Array {
    return words([
      word(((world.get(place, "temperature") + 45) * 65_535) / 175),
      word(((world.get(place, "humidity") + 6) * 65_535) / 125),
    ]);
  }

  function obey(command: number): void {
    const timing = MEASUREMENTS.get(command);
    if (timing) begin(timing[0] + random() * (timing[1] - timing[0]), measured);
    else if (command === READ_SERIAL) begin(0, () => words(SERIAL));
    else if (command === SOFT_RESET) begin(RESET_MS, undefined);
    else throw new Nack(`no such command: ${command}`);
  }

  const refuseWhileBusy = () => {
    if (clock.monotonicMs() < busyUntilMs) throw new Nack("busy");
  };

  return {
    reset: () => begin(RESET_MS, undefined),
    write([command]) {
      refuseWhileBusy();
      if (command !== undefined) obey(command);
    },
    read(length) {
      refuseWhileBusy();
      if (!answer) throw new Nack("nothing to read");
      const bytes = answer();
      answer = undefined;
      // A master that clocks on after the last byte sees the bus's pull-up.
      return Uint8Array.from({ length }, (_, index) => bytes[index] ?? 0xff);
    },
  };
}

function word(value: number): number {
  return Math.min(65_535, Math.max(0, Math.round(value)));
}

/** Each word with its checksum behind it (section 4.4). */
function words(values: readonly number[]): Uint8Array {
  const checked = values.flatMap((value) => {
    const bytes = [value >> 8, value & 0xff];
    return [...bytes, crc8(bytes, 0x31, 0xff)];
  });
  return Uint8Array.from(checked);
}
