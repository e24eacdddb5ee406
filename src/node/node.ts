import { setMaxListeners } from "node:events";
import { join } from "node:path";
import type { Guard } from "../actuators/guard.ts";
import type { Config } from "../config/config.ts";
import type { Board } from "../device/board.ts";
import { type Clock, withDeadline } from "../device/clock.ts";
import type { Random } from "../device/random.ts";
import { type Log, messageOf } from "../log.ts";
import { topicsUnder } from "../mqtt/convention/topics.ts";
import { createDownlink, type DownlinkParts } from "../mqtt/downlink/downlink.ts";
import { openJournal } from "../mqtt/downlink/journal.ts";
import type { Dial } from "../mqtt/link/dial.ts";
import type { MessageHub } from "../mqtt/messages/hub.ts";
import type { Session, SessionStatus } from "../mqtt/session/session.ts";
import { createUplink } from "../mqtt/uplink/uplink.ts";
import type { FileLayer } from "../outbox/files/files.ts";
import { openOutbox } from "../outbox/open.ts";
import type { Drop, Opening, OutboxStatus } from "../outbox/outbox.ts";
import { encodeMessage } from "../record/message.ts";
import { createRecorder } from "../record/recorder.ts";
import { seriesOf } from "../record/series.ts";
import type { Sampler } from "../sensors/sampler.ts";
import { accountsIn } from "./accounts.ts";
import type { Actuators } from "./actuators.ts";
import { BOOT_TIMES, openBootTimes } from "./boot-times.ts";
import { loadConvention } from "./convention.ts";
import { createForecaster } from "./forecast.ts";
import { createHealth } from "./health.ts";
import { createIdentify } from "./identify.ts";
import { linkLimits } from "./limits.ts";
import { folderError } from "./outbox-folder.ts";
import { outboxOptions } from "./outbox-options.ts";
import { createPresence } from "./presence.ts";
import { createReadings } from "./readings.ts";
import { recordBoot, reportActuators, reportSensors, type Voices } from "./reporting.ts";
import { openRules } from "./rules.ts";
import { selfCheck } from "./self-check.ts";
import { createSamplers } from "./sensors.ts";
import { signing } from "./signing.ts";
import { journalFileOn, memoryFileOn } from "./state-file.ts";
import { type ProcessVitals, watchLoop } from "./vitals.ts";
import { recordDrops, watchLossesAndClock } from "./watch.ts";

/** What a node is made of besides its configuration. All of it is given, so that a test can give others. */
export interface NodeParts {
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly board: Board;
  /** Already open: outputs take their `initial` state before anything else. */
  readonly actuators: Actuators;
  readonly files: FileLayer;
  readonly dial: Dial;
  readonly vitals: ProcessVitals;
  /** Where the local socket may be, best first, for an outbox; absent: there is none. */
  readonly localSockets?: ((outboxPath: string) => readonly string[]) | undefined;
  /** How often what nobody announces is looked at; default: every second. */
  readonly lookEveryMs?: number | undefined;
  /** Messages of the user's own code. */
  readonly messages?: MessageHub | undefined;
  /** Somebody commands `restart`. */
  onRestart(): void;
}

export interface NodeStatus {
  readonly link: SessionStatus;
  readonly outbox: OutboxStatus;
  readonly opening: Opening;
}

export interface StopOptions {
  /** Leaves the outputs as they are, for the node that comes next. Default: false. */
  readonly keepActuators?: boolean;
}

/** A running node. */
export interface Node {
  readonly config: Config;
  readonly guard: Guard;
  readonly samplers: ReadonlyMap<string, Sampler>;
  status(): NodeStatus;
  /** What stands still inside the node; undefined: nothing. */
  selfCheck(): string | undefined;
  /** Outputs safe, outbox on disk, `offline` published; within the contract's 5 s whatever the broker does. */
  stop(options?: StopOptions): Promise<void>;
  /** Drops the connection without a word, as the kernel does for a killed process. For simulations. */
  abandon(): void;
}

/** All steps of stopping together stay below the contract's 5 s; one that hangs leaves the others something. */
const STOP_MS = 4_500;
const STOP_STEP_MS = 1_500;

/** Puts a node together, in the order in which it starts: what must not be lost exists before what could lose it. */
export async function startNode(config: Config, parts: NodeParts): Promise<Node> {
  const { clock, random, log, board, actuators, files, version, lookEveryMs } = parts;
  const rules = await openRules(config, { guard: actuators.guard, clock, log });
  // What goes through here overrides the rules; the rules themselves go through the guard behind it.
  const guard = rules?.guard ?? actuators.guard;
  const startedMs = clock.monotonicMs();
  const topics = topicsUnder(config.mqtt.topic_root);
  const running = new AbortController();
  const loop = watchLoop(clock, lookEveryMs);
  // One listener a sensor is no leak.
  setMaxListeners(0, running.signal);

  const outbox = await openOutbox(outboxOptions(config), {
    files,
    clock,
    random,
    seriesOf,
    accountsIn,
  }).catch((error: unknown) => {
    throw folderError(config.buffer.path, error);
  });
  // What the broker hears of exists before the session that tells it.
  let session: Session | undefined;
  let stopping = false;
  let stopByMs = Number.POSITIVE_INFINITY;
  const link = () => session?.link();
  const recorder = createRecorder(outbox, clock, () => session?.hasSession() ?? false);
  const bootSeq = recordBoot(recorder, outbox.opening, version);
  recordDrops(outbox, recorder, log);
  const journal = await openJournal({
    file: journalFileOn(files, join(config.buffer.path, "commands.journal")),
    log,
    wallMs: () => (clock.synced() ? clock.wallMs() : undefined),
  });

  const identify = createIdentify(board.lamp, { clock, log, stopping: running.signal });
  const nodeCommands: DownlinkParts["nodeCommands"] = {
    sample: async () =>
      void (await Promise.all([...samplers.values()].map((sampler) => sampler.sampleNow()))),
    about: () => convention.announce(),
    restart: async () => parts.onRestart(),
    identify: () => identify.begin(),
    resend: ({ fromSeq, toSeq }) => uplink.resend(fromSeq!, toSeq!),
  };
  const hasLamp = (await board.lamp?.isThere()) ?? false;
  const nodeActions = Object.keys(nodeCommands).filter((action) => action !== "identify" || hasLamp);
  const makeConvention = await loadConvention(config);
  const convention = makeConvention({
    config,
    version,
    host: board.host,
    topics,
    nodeActions,
    link,
    files,
    outbox,
    clock,
    log,
  });
  const voices: Voices = { recorder, convention };

  if (config.mqtt.tls?.insecure) log.warn("the broker's certificate is not checked: anybody can pose as it");
  const readings = createReadings();
  const samplers = createSamplers(config, {
    board,
    messages: parts.messages,
    clock,
    random,
    log,
    events: readings.overhear({ ...reportSensors(voices), ...(rules && { sampled: rules.sampled }) }),
  });

  const downlink = createDownlink({
    topics,
    guard,
    journal,
    clock,
    log,
    ...(await signing(config)),
    stopping: running.signal,
    couldBeQueued: () => config.mqtt.session_expiry > 0,
    publishResult: async (result) => {
      await Promise.all(convention.results(result).map((message) => link()?.publish(message)));
    },
    nodeCommands,
  });

  const bootTimes = await openBootTimes(
    memoryFileOn(files, join(config.buffer.path, BOOT_TIMES)),
    clock,
    log,
  );
  const uplink = createUplink({
    outbox,
    boots: bootTimes,
    spell: convention.spell,
    maxInFlight: config.mqtt.max_in_flight,
    order: config.buffer.replay.order,
    bootSeq,
    ratePerSecond: config.buffer.replay.rate,
    clock,
    log,
    onDrop({ seq, topic, reason }) {
      // The report of a loss that is itself lost is not reported: it would go the same way, for ever.
      if (topic !== "event/dropped")
        recorder.record("event/dropped", {
          from_seq: seq,
          to_seq: seq,
          count: 1,
          reason: reason satisfies Drop["reason"],
        });
    },
  });

  const forecaster = createForecaster({
    clock,
    vitals: parts.vitals,
    outbox: () => outbox.status(),
    options: outboxOptions(config),
  });
  const health = createHealth({
    spell: convention.health,
    intervalMs: config.health.interval,
    insecure: config.mqtt.tls?.insecure === true,
    diskPath: config.buffer.path,
    clock,
    host: board.host,
    vitals: parts.vitals,
    loop,
    outbox,
    forecaster,
    session: () => session?.status(),
    link,
    samplers,
    recoveries: board.recoveries,
  });

  const userStep = parts.messages?.attach({
    link,
    clock,
    log,
    own: convention.filters,
    store(message) {
      // Its number is missing under the node's own topics: the record behind it says where it went.
      const seq = outbox.append(encodeMessage(message));
      recorder.record("event/message", { message_seq: seq, topic: message.topic });
    },
  });
  const limitTo = await linkLimits(config);
  const presence = createPresence(config, {
    convention,
    limited: (link) => limitTo(link, clock),
    dial: parts.dial,
    clock,
    random,
    log,
    steps: [...(userStep ? [userStep] : []), health.onLink, uplink],
    async receive(message, link) {
      const heard = parts.messages?.dispatch(message);
      await Promise.all(convention.hear(message, link).map(downlink.receive));
      await heard;
    },
    // Not before: a broker that takes connections and then nothing is as good as none.
    onListening(link) {
      guard.setOnline(true);
      link.closed.addEventListener("abort", () => guard.setOnline(false), { once: true });
    },
  });
  session = presence;
  reportActuators(
    actuators,
    voices,
    () => (stopping ? "shutdown" : presence.hasSession() ? "write_failed" : "offline"),
    rules,
  );

  // The broker is told goodbye last, when everything that may still be said has been said.
  const farewell = new AbortController();
  const present = presence.run(farewell.signal);
  const work = Promise.all([
    ...[...samplers.values()].map((sampler) => sampler.run(running.signal)),
    watchLossesAndClock(outbox, recorder, clock, log, running.signal, lookEveryMs),
    health.run(running.signal),
    loop.run(running.signal),
    rules?.run(running.signal),
    forecaster.run(running.signal),
    bootTimes.run(running.signal),
  ]);
  const localPaths = parts.localSockets?.(config.buffer.path);
  const local =
    localPaths &&
    (await (
      await import("./local.ts")
    ).openLocal({
      paths: localPaths,
      config,
      version,
      clock,
      log,
      host: board.host,
      guard,
      samplers,
      readings,
      outbox,
      recorder,
      session: presence.status,
      forecaster,
      startedMs,
    }));

  const bounded = (what: string, step: Promise<unknown>) =>
    withDeadline(clock, what, Math.min(STOP_STEP_MS, stopByMs - clock.monotonicMs()), step).catch(
      (error: unknown) => {
        log.error(`${what} failed while stopping`, {
          error: messageOf(error),
        });
      },
    );

  return {
    config,
    guard,
    samplers,
    status: () => ({ link: presence.status(), outbox: outbox.status(), opening: outbox.opening }),
    selfCheck: () => selfCheck({ clock, samplers, session: presence.status }),
    async stop({ keepActuators = false } = {}) {
      stopping = true;
      stopByMs = clock.monotonicMs() + STOP_MS;
      if (local) await bounded("closing the local socket", local.close());
      if (!keepActuators) await bounded("making the actuators safe", guard.shutdown());
      running.abort();
      await bounded("giving the board's light back", identify.ended());
      await bounded("ending the samplers", work);
      recordDrops(outbox, recorder, log);
      farewell.abort();
      await bounded("taking leave of the broker", present);
      actuators.listen(undefined);
      await bounded("closing the journal", journal.close());
      await bounded("closing the outbox", outbox.close());
    },
    abandon: () => link()?.abandon(new Error("the node was killed")),
  };
}
