import type { Change } from "../actuators/guard.ts";
import type { Retained } from "../mqtt/retained.ts";
import type { Topics } from "../mqtt/topics.ts";
import type { Opening } from "../outbox/outbox.ts";
import { isoTime } from "../record/json.ts";
import type { Recorder } from "../record/recorder.ts";
import type { RuleEngine } from "../rules/engine.ts";
import type { SamplerEvents } from "../sensors/sampler.ts";
import type { Actuators } from "./actuators.ts";

/** Where a node puts what happens: into the numbered stream, and into what the broker keeps for whoever comes later. */
export interface Voices {
  readonly recorder: Recorder;
  readonly retained: Retained;
  readonly topics: Topics;
}

/** The first record of every run (contract, section 4). Returns its number. */
export function recordBoot(
  recorder: Recorder,
  { run, stream, lastEnd, skipped }: Opening,
  version: string,
): number {
  return recorder.record("event/boot", {
    boot: run,
    stream,
    version,
    reason: lastEnd === "none" ? "first" : lastEnd,
    ...(skipped && { skipped: { from_seq: skipped.fromSeq, to_seq: skipped.toSeq } }),
  });
}

/** Readings go into the stream; what is broken also stays with the broker until it is mended. */
export function reportSensors({ recorder, retained, topics }: Voices): SamplerEvents {
  return {
    reading: (id, measurements, at) => void recorder.record(`telemetry/${id}`, measurements, at),
    failed(id, { error, kind, since, failures }) {
      retained.set(topics.fault(id), JSON.stringify({ error, since: isoTime(since.wallMs), failures }));
      recorder.record("event/sensor", { sensor: id, state: "failing", kind, error, failures });
    },
    recovered(id, { failures, since }) {
      retained.set(topics.fault(id), "");
      recorder.record("event/sensor", { sensor: id, state: "ok", failures, since: isoTime(since.wallMs) });
    },
  };
}

/** Each change of an output goes into the stream, and its state stays with the broker. */
export function reportActuators(
  actuators: Actuators,
  { recorder, retained, topics }: Voices,
  failsafeReason: () => string,
  rules?: Pick<RuleEngine, "changed" | "ruleOf">,
): void {
  const retainState = ({ id, state, cause, at, details }: Change) =>
    retained.set(topics.state(id), JSON.stringify({ state, time: isoTime(at.wallMs), cause, ...details }));
  // Those that outlived the node before this one are told to the broker anew: it may have lost them.
  for (const change of actuators.latest()) retainState(change);
  actuators.listen((change) => {
    const { id, state, cause, at, details } = change;
    retainState(change);
    const rule = cause === "rule" ? rules?.ruleOf(id) : undefined;
    recorder.record("event/actuator", { actuator: id, state, cause, ...(rule && { rule }), ...details }, at);
    rules?.changed(change);
    if (cause === "failsafe")
      recorder.record("event/failsafe", { actuator: id, state, reason: failsafeReason() }, at);
  });
}
