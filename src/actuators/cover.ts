import * as v from "valibot";
import type { Pin } from "../device/gpio.ts";
import { duration } from "../schema/duration.ts";
import { pin } from "../schema/pin.ts";
import { type Direction, openCoverMotor } from "./cover-motor.ts";
import type { ActuatorKind, ActuatorValue } from "./kind.ts";

/** Beyond the time it takes by the clock, so that an end is surely reached: the estimate begins anew there. */
const OVERRUN = 0.1;

const travel = () => duration({ minMs: 500, maxMs: 600_000 });

const options = {
  open_pin: pin(),
  close_pin: pin(),
  /** Both relays are on while their line is electrically low. */
  active_low: v.optional(v.boolean(), false),
  /** From one end to the other. */
  open_time: travel(),
  /** Default: as `open_time`. */
  close_time: v.optional(travel()),
  /** Both relays stay off for this long before the motor turns the other way. */
  dead_time: v.optional(duration({ minMs: 100, maxMs: 10_000 }), "500ms"),
};

interface Times {
  readonly open_time: number;
  readonly close_time?: number | undefined;
  readonly dead_time: number;
}

/** Both ways and the pauses: more than any journey takes. */
function longestMs({ open_time, close_time = open_time, dead_time }: Times): number {
  return (open_time + close_time) * (1 + OVERRUN) + 2 * dead_time;
}

/** A blind, gate, awning or window: a motor with a relay for each direction, of which never both are on. */
export const cover: ActuatorKind<typeof options> = {
  name: "cover",
  description: "A blind, gate or window: a motor with a relay for each direction",
  options,
  off: "stop",
  pins: ({ open_pin, close_pin }) => [open_pin, close_pin],
  range: () => ({ min: 0, max: 100, unit: "%" }),
  // 0 is the way to the closed end, not a standstill.
  isOn: (value) => value !== "stop",
  accepts: (value) =>
    value === "open" ||
    value === "close" ||
    value === "stop" ||
    (typeof value === "number" && value >= 0 && value <= 100),
  runsForMs: (_, options) => longestMs(options),
  pauseMs: ({ dead_time }) => dead_time,
  async open({ gpio }, options, initial, context) {
    const { open_pin, close_pin, active_low, open_time, close_time = open_time, dead_time } = options;
    const line = (pin: Pin) => gpio.output({ pin, activeLow: active_low, initial: 0 });
    const open = await line(open_pin);
    const close = await line(close_pin).catch(async (error: unknown) => {
      await open.close();
      throw error;
    });
    const motor = openCoverMotor({
      lines: { open, close },
      travelMs: { open: open_time, close: close_time },
      deadMs: dead_time,
      overrun: OVERRUN,
      context,
    });
    const set = (value: ActuatorValue) => motor.go(targetOf(value));
    if (initial !== "stop") await set(initial);
    return {
      set,
      details: () => {
        const position = motor.position();
        return position === undefined ? {} : { position: Math.round(position) };
      },
      async close() {
        await motor.go(undefined);
        await Promise.all([open.close(), close.close()]);
      },
    };
  },
};

function targetOf(value: ActuatorValue): Direction | number | undefined {
  if (value === "open" || value === "close") return value;
  return typeof value === "number" ? value : undefined;
}
