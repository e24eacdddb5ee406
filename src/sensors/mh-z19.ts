import * as v from "valibot";
import { duration } from "../schema/duration.ts";
import { defineDriver, SensorError } from "./driver.ts";
import { type FrameShape, readFrame } from "./serial-frame.ts";
import { refuseWarmUp } from "./warm-up.ts";

/** Commands (MH-Z19B user's manual, V1.5, "Commands"). */
const READ_CO2 = 0x86;
const SELF_CALIBRATION = 0x79;

const ANSWER: FrameShape = {
  lengthBytes: 9,
  start: [0xff, READ_CO2],
  isWhole: (frame) => frame[8] === checksum(frame),
};

/** Nine bytes at 9,600 baud take 10 ms; the manual names no time to answer in. */
const PATIENCE_MS = 1_000;

/** The widest of its ranges. */
const MAX_PPM = 10_000;

const options = {
  /** "Preheat time: 3 min". */
  warm_up: v.optional(duration({ maxMs: 600_000 }), "3m"),
  /**
   * Whether the chip takes the lowest value of each day for fresh air of 400 ppm. Right in a room that is aired every
   * day, wrong in a greenhouse or a cellar. Absent: as the chip is set, which is on when it is new.
   */
  self_calibration: v.optional(v.boolean()),
};

export const mhZ19 = defineDriver({
  name: "mh_z19",
  chip: "Winsen MH-Z19B, MH-Z19C",
  description: "Carbon dioxide, infrared",
  datasheet: "MH-Z19B user's manual V1.5",
  bus: "serial",
  baudRate: 9_600,
  fields: { carbon_dioxide: { unit: "ppm", precision: 0, deviceClass: "carbon_dioxide" } },
  options,
  async open(port, { warm_up, self_calibration }, clock) {
    if (self_calibration !== undefined) {
      await port.write(command(SELF_CALIBRATION, self_calibration ? 0xa0 : 0x00));
    }
    return {
      async read() {
        refuseWarmUp("MH-Z19", warm_up, clock);
        await port.discard();
        await port.write(command(READ_CO2));
        return { carbon_dioxide: decode(await readFrame(port, clock, ANSWER, PATIENCE_MS)) };
      },
    };
  },
});

/** The nine bytes of a command. */
export function command(code: number, argument = 0): number[] {
  const bytes = [0xff, 0x01, code, argument, 0, 0, 0, 0];
  return [...bytes, checksum(bytes)];
}

/** "Checksum calculation method": what makes the bytes 1 to 7 zero, modulo 256. */
function checksum(bytes: ArrayLike<number>): number {
  const sum = [1, 2, 3, 4, 5, 6, 7].reduce((sum, index) => sum + bytes[index]!, 0);
  return -sum & 0xff;
}

export function decode(answer: Uint8Array): number {
  const ppm = (answer[2]! << 8) | answer[3]!;
  if (ppm > 0 && ppm <= MAX_PPM) return ppm;
  throw new SensorError("out_of_range", `the MH-Z19 says ${ppm} ppm, which it cannot measure`);
}
