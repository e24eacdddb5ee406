import { setMaxListeners } from "node:events";
import type { ActuatorValue, Cause } from "../actuators/kind.ts";
import type { Config } from "../config/config.ts";
import { seededRandom } from "../device/random.ts";
import { VirtualClock } from "../device/sim/clock.ts";
import { type Log, silentLog } from "../log.ts";
import { openActuators } from "../node/actuators.ts";
import { loadParts } from "../node/parts.ts";
import { openRules } from "../node/rules.ts";
import { createSamplers } from "../node/sensors.ts";
import { chooseSimulatedBoard } from "../node/simulated-board.ts";
import { fieldsOf, type Measurements } from "../sensors/driver.ts";
import { filteredFields } from "../sensors/filters.ts";
import { createTrace, type Trace } from "./trace.ts";

export interface DryRunOptions {
  readonly durationMs: number;
  /** What the system clock says at the start. */
  readonly startWallMs: number;
}

/** Something that would have happened. */
export interface Happening {
  readonly wallMs: number;
  readonly kind: "actuator" | "sensor" | "broker" | "rule";
  /** The actuator's, sensor's or rule's id; `broker`. */
  readonly subject: string;
  /** What it is now: a value, `failing`, `ok`, `offline`, `online`, or why a rule has to wait. */
  readonly state: ActuatorValue | string;
  readonly cause?: Cause;
  readonly rule?: string;
}

export interface DryRun {
  readonly startWallMs: number;
  readonly endWallMs: number;
  readonly happenings: readonly Happening[];
  readonly traces: readonly Trace[];
}

/** Nobody changes a dry run's world under way: how busy its lines are is asked seldom, so that a week takes seconds. */
const ASK_AGAIN_MS = 60_000;

/** At most; a configuration that does more than this is not read line by line anyway. */
export const MAX_HAPPENINGS = 100_000;

/**
 * What a configuration would do: its sensors, filters, rules and guards as they run in a node, on the simulated board and a
 * clock that does not wait. There is no broker, only times at which there would be none.
 */
export async function dryRun(config: Config, { durationMs, startWallMs }: DryRunOptions): Promise<DryRun> {
  await loadParts(config);
  const clock = new VirtualClock({ wallMs: startWallMs });
  const startMs = clock.monotonicMs();
  const wallMs = (monotonicMs: number) => startWallMs + monotonicMs - startMs;
  const { board, simulated } = chooseSimulatedBoard(config, clock);
  const happenings: Happening[] = [];
  const happen = (happening: Happening) => {
    if (happenings.length < MAX_HAPPENINGS)
      happenings.push({ ...happening, wallMs: Math.round(happening.wallMs) });
  };
  const log: Log = {
    ...silentLog,
    info(message, fields) {
      if (message !== "a rule has to wait") return;
      const { rule, reason } = fields as { rule: string; reason: string };
      happen({ wallMs: clock.wallMs(), kind: "rule", subject: rule, state: `has to wait: ${reason}` });
    },
  };
  const memoryFile = { read: async () => undefined, replace: async () => {} };
  const actuators = await clock.run(openActuators(config, { board, clock, log, memoryFile }));
  const rules = await openRules(config, { guard: actuators.guard, clock, log });
  actuators.listen((change) => {
    const { id, state, cause, at } = change;
    const rule = cause === "rule" ? rules?.ruleOf(id) : undefined;
    happen({
      wallMs: wallMs(at.monotonicMs),
      kind: "actuator",
      subject: id,
      state,
      cause,
      ...(rule !== undefined && { rule }),
    });
    rules?.changed(change);
  });

  const traces = tracesOf(config, wallMs(startMs), durationMs);
  const samplers = createSamplers(config, {
    board,
    clock,
    random: seededRandom(config.simulation.seed),
    log: silentLog,
    events: {
      reading: () => {},
      sampled(id, measurements: Measurements, at) {
        for (const [field, value] of Object.entries(measurements))
          traces.get(`${id}.${field}`)?.add(wallMs(at.monotonicMs), value);
        rules?.sampled(id, measurements, at);
      },
      failed: (id, { kind }) =>
        happen({ wallMs: clock.wallMs(), kind: "sensor", subject: id, state: `failing: ${kind}` }),
      recovered: (id) => happen({ wallMs: clock.wallMs(), kind: "sensor", subject: id, state: "ok" }),
    },
  });

  const running = new AbortController();
  setMaxListeners(0, running.signal);
  const work = Promise.all([
    simulated?.run(running.signal, ASK_AGAIN_MS),
    ...[...samplers.values()].map((sampler) => sampler.run(running.signal)),
    rules?.run(running.signal),
    ...config.simulation.outages.map((outage) => cutOff(outage)),
  ]);
  actuators.guard.setOnline(true);
  await clock.advance(durationMs);
  running.abort();
  await clock.run(work);
  await board.close();
  return {
    startWallMs,
    endWallMs: startWallMs + durationMs,
    happenings,
    traces: [...traces.values()].map((trace) => trace.done()),
  };

  async function cutOff({
    after,
    for: lastsMs,
    every,
  }: Config["simulation"]["outages"][number]): Promise<void> {
    const { signal } = running;
    await clock.sleep(after, signal);
    while (!signal.aborted) {
      actuators.guard.setOnline(false);
      happen({ wallMs: clock.wallMs(), kind: "broker", subject: "broker", state: "offline" });
      await clock.sleep(lastsMs, signal);
      if (signal.aborted) return;
      actuators.guard.setOnline(true);
      happen({ wallMs: clock.wallMs(), kind: "broker", subject: "broker", state: "online" });
      if (every === undefined) return;
      await clock.sleep(every - lastsMs, signal);
    }
  }
}

function tracesOf({ sensors }: Config, startWallMs: number, durationMs: number) {
  return new Map(
    sensors.flatMap(({ id, driver, options, filters }) =>
      Object.entries(filteredFields(fieldsOf(driver, options), filters)).map(
        ([field, { unit, precision }]) => [
          `${id}.${field}`,
          createTrace({ sensor: id, field, unit, precision, startWallMs, durationMs }),
        ],
      ),
    ),
  );
}
