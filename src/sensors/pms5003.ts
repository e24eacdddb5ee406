import * as v from "valibot";
import { duration } from "../schema/duration.ts";
import { defineDriver } from "./driver.ts";
import { type FrameShape, readFrame } from "./serial-frame.ts";
import { refuseWarmUp } from "./warm-up.ts";

/** Appendix I: two start characters, the length of what follows, thirteen words, and the sum of all bytes before it. */
const FRAME: FrameShape = {
  lengthBytes: 32,
  start: [0x42, 0x4d, 0x00, 28],
  isWhole: (frame) => word(frame, 15) === frame.subarray(0, 30).reduce((sum, byte) => sum + byte, 0),
};

/** In stable mode it speaks every 2.3 s ("Output result"). */
const PATIENCE_MS = 5_000;

const concentration = (deviceClass: string) => ({ unit: "µg/m³", precision: 0, deviceClass });

const options = {
  /** "Stable data should be got at least 30 seconds after" its fan starts. */
  warm_up: v.optional(duration({ maxMs: 600_000 }), "30s"),
};

/** Any of Plantower's that sends this frame: PMS5003, PMS6003, PMS7003, PMSA003. Only its TX line is needed. */
export const pms5003 = defineDriver({
  name: "pms5003",
  chip: "Plantower PMS5003, PMS7003, PMSA003",
  description: "Particulate matter, by a laser and a fan",
  datasheet: "PMS5003 series data manual, V2.3",
  bus: "serial",
  baudRate: 9_600,
  fields: { pm1: concentration("pm1"), pm2_5: concentration("pm25"), pm10: concentration("pm10") },
  options,
  async open(port, { warm_up }, clock) {
    return {
      async read() {
        refuseWarmUp("PMS5003", warm_up, clock);
        // What waits in the port is as old as the last reading.
        await port.discard();
        return decode(await readFrame(port, clock, FRAME, PATIENCE_MS));
      },
    };
  },
});

/**
 * Data 4 to 6: concentrations "under atmospheric environment" (Appendix I); data 1 to 3 are for factories' air. Its
 * "maximum range" of 1,000 µg/m³ or more ("Technical Index") is the least that it reaches: thick smoke reads higher.
 */
export function decode(frame: Uint8Array): { pm1: number; pm2_5: number; pm10: number } {
  return { pm1: word(frame, 5), pm2_5: word(frame, 6), pm10: word(frame, 7) };
}

function word(frame: Uint8Array, index: number): number {
  return (frame[2 * index]! << 8) | frame[2 * index + 1]!;
}
