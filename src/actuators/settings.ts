import * as v from "valibot";
import { duration } from "../schema/duration.ts";

/** `on`, `off` or a number; whether the kind can take it is the kind's word. */
export function actuatorValue() {
  return v.union([v.picklist(["on", "off"]), v.pipe(v.number(), v.finite())], "expected on, off or a number");
}

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
  /** Actuators that are never on together with this one; binds both sides. */
  interlock: v.optional(v.array(v.string()), []),
};
