import * as v from "valibot";
import { duration } from "../schema/duration.ts";
import { settings } from "../schema/settings.ts";
import type { AnyActuatorKind } from "./kind.ts";

/** Whether the kind can take it is the kind's word. */
export function actuatorValue() {
  return v.union(
    [v.picklist(["on", "off", "open", "close", "stop"]), v.pipe(v.number(), v.finite())],
    "expected on, off, open, close, stop or a number",
  );
}

const positive = (unit: string) =>
  v.pipe(v.number(), v.finite(), v.gtValue(0, `expected more than 0 ${unit}`));

/** How long the load may run within any stretch of `per`; given as a time, or as an energy with the load's power. */
const budget = v.pipe(
  settings({
    run_time: v.optional(duration({ minMs: 1_000 })),
    /** Wh */
    energy: v.optional(positive("Wh")),
    /** W, while it is on. */
    power: v.optional(positive("W")),
    per: v.optional(duration({ minMs: 60_000, maxMs: 31 * 86_400_000 }), "1d"),
  }),
  v.check(
    ({ run_time, energy, power }) =>
      run_time === undefined
        ? energy !== undefined && power !== undefined
        : energy === undefined && power === undefined,
    "expected run_time, or energy (Wh) together with power (W)",
  ),
);

/** An actuator's name: one level of an MQTT topic. `node` is the name of the node itself (`command/node`). */
function actuatorId() {
  return v.pipe(
    v.string(),
    v.regex(
      /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/,
      "expected letters, digits, _ and -, beginning with a letter or digit, at most 64",
    ),
    v.notValue("node", "the name node is taken: command/node is the node itself"),
  );
}

/** The keys that every actuator in a configuration has, whatever its kind. */
export const commonActuatorEntries = {
  id: actuatorId(),
  driver: v.string(),
  /** On boot, before anything else. */
  initial: v.optional(actuatorValue(), "off"),
  /** On shutdown, crash, watchdog reset, after `offline_after` and after a failed write. */
  safe: v.optional(actuatorValue(), "off"),
  /** No session with the broker for this long: go safe. Absent: keep. */
  offline_after: v.optional(duration({ minMs: 1 })),
  /** Longer on than this: off. */
  max_on: v.optional(duration({ minMs: 1 })),
  /** Once on, stays on for this long unless safety asks otherwise. */
  min_on: v.optional(duration()),
  /** Once off, stays off for this long. */
  min_off: v.optional(duration()),
  /** Not switched on before the node has run for this long. */
  startup_delay: v.optional(duration(), "0s"),
  /** What it begins with: `initial`, or what it was last told, across restarts and power cuts. */
  restore: v.optional(v.picklist(["initial", "last"]), "initial"),
  /** At most this much within any stretch of `per`. */
  budget: v.optional(budget),
  /** Actuators that are never on together with this one; binds both sides. */
  interlock: v.optional(v.array(v.string()), []),
};

/** Every key of an actuator of this kind. */
export function actuatorEntries({ name, off = "off", options }: AnyActuatorKind): v.ObjectEntries {
  const { id, driver } = commonActuatorEntries;
  if (name === "group") return { id, driver, ...options };
  return {
    ...commonActuatorEntries,
    initial: v.optional(actuatorValue(), off),
    safe: v.optional(actuatorValue(), off),
    ...options,
  };
}
