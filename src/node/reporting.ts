import type { Convention } from "../mqtt/convention/convention.ts";
import type { Opening } from "../outbox/outbox.ts";
import { isoTime } from "../record/json.ts";
import type { Recorder } from "../record/recorder.ts";
import type { RuleEngine } from "../rules/engine.ts";
import type { SamplerEvents } from "../sensors/sampler.ts";
import type { Actuators } from "./actuators.ts";

/** Where a node puts what happens: into the numbered stream, and to the broker as things stand. */
export interface Voices {
  readonly recorder: Recorder;
  readonly convention: Convention;
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

/** Readings go into the stream; what is broken is also told as such until it is mended. */
export function reportSensors({ recorder, convention }: Voices): SamplerEvents {
  return {
    reading(id, measurements, at) {
      convention.reading(id, measurements, at);
      recorder.record(`telemetry/${id}`, measurements, at);
    },
    failed(id, fault) {
      const { error, kind, failures } = fault;
      convention.fault(id, fault);
      recorder.record("event/sensor", { sensor: id, state: "failing", kind, error, failures });
    },
    recovered(id, { failures, since }) {
      convention.fault(id, undefined);
      recorder.record("event/sensor", { sensor: id, state: "ok", failures, since: isoTime(since.wallMs) });
    },
  };
}

/** Each change of an output goes into the stream, and its state is told as it stands. */
export function reportActuators(
  actuators: Actuators,
  { recorder, convention }: Voices,
  failsafeReason: () => string,
  rules?: Pick<RuleEngine, "changed" | "ruleOf">,
): void {
  // Those that outlived the node before this one are told to the broker anew: it may have lost them.
  for (const change of actuators.latest()) convention.actuator(change);
  actuators.listen((change) => {
    const { id, state, cause, at, details } = change;
    convention.actuator(change);
    const rule = cause === "rule" ? rules?.ruleOf(id) : undefined;
    recorder.record("event/actuator", { actuator: id, state, cause, ...(rule && { rule }), ...details }, at);
    rules?.changed(change);
    if (cause === "failsafe")
      recorder.record("event/failsafe", { actuator: id, state, reason: failsafeReason() }, at);
  });
}
