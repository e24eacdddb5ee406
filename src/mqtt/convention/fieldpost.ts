import { isoTime } from "../../record/json.ts";
import type { Incoming } from "../link/link.ts";
import type { About } from "../retained/about.ts";
import type { Retained } from "../retained/retained.ts";
import { statusOn } from "../retained/status.ts";
import type { LinkStep } from "../session/session.ts";
import type { Convention } from "./convention.ts";
import type { SpellRecord } from "./spelling.ts";
import type { Topics } from "./topics.ts";

export interface FieldpostParts {
  readonly topics: Topics;
  readonly about: About;
  readonly retained: Retained;
  readonly spell: SpellRecord;
  /** Sensors whose faults an earlier run may have left with the broker. */
  readonly sensors: readonly string[];
  /** Who reads these topics in a way of its own, and is announced to: Home Assistant. */
  readonly guest?: Guest | undefined;
}

export interface Guest extends LinkStep {
  readonly filters: readonly string[];
  /** Takes a message of a topic that only this part reads; false where it is another's. */
  offer(message: Incoming): boolean;
}

/** The topics and payloads of the public contract. */
export function createFieldpost({
  topics,
  about,
  retained,
  spell,
  sensors,
  guest,
}: FieldpostParts): Convention {
  const status = statusOn(topics.status);
  // What an earlier run reported broken is not known to be so now.
  for (const sensor of sensors) retained.set(topics.fault(sensor), "");
  return {
    will: () => status.will,
    filters: [topics.commands, ...(guest?.filters ?? [])],
    steps: [status.birth, about, retained, ...(guest ? [guest] : [])],
    farewell: status.farewell,
    spell,
    hear: (message) => (about.offer(message) || guest?.offer(message) ? [] : [message]),
    results: (result) => [result],
    // The record says it all.
    reading() {},
    fault(sensor, fault) {
      const payload = fault && {
        error: fault.error,
        since: isoTime(fault.since.wallMs),
        failures: fault.failures,
      };
      retained.set(topics.fault(sensor), payload ? JSON.stringify(payload) : "");
    },
    actuator: ({ id, state, cause, at, details }) =>
      retained.set(topics.state(id), JSON.stringify({ state, time: isoTime(at.wallMs), cause, ...details })),
    health: (report) => [{ topic: topics.health, payload: JSON.stringify(report), qos: 0, retain: false }],
    announce: () => about.publish(),
  };
}
