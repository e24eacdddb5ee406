import { setMaxListeners } from "node:events";
import { join } from "node:path";
import type { Change, Guard } from "../actuators/guard.ts";
import type { Config } from "../config/config.ts";
import type { Board } from "../device/board.ts";
import { type Clock, withDeadline } from "../device/clock.ts";
import type { Random } from "../device/random.ts";
import type { Log } from "../log.ts";
import { createAbout } from "../mqtt/about.ts";
import { openLink } from "../mqtt/connect.ts";
import type { Dial } from "../mqtt/dial.ts";
import { createDownlink } from "../mqtt/downlink.ts";
import { openJournal } from "../mqtt/journal.ts";
import type { Incoming, Link } from "../mqtt/link.ts";
import { createRetained } from "../mqtt/retained.ts";
import { createSession, OFFLINE, type Session, type SessionStatus } from "../mqtt/session.ts";
import { topicsUnder } from "../mqtt/topics.ts";
import { createUplink } from "../mqtt/uplink.ts";
import type { FileLayer } from "../outbox/files/files.ts";
import { openOutbox } from "../outbox/open.ts";
import type { Opening, OutboxStatus } from "../outbox/outbox.ts";
import { isoTime } from "../record/json.ts";
import { createRecorder, type Recorder } from "../record/recorder.ts";
import type { Sampler, SamplerEvents } from "../sensors/sampler.ts";
import { aboutNode } from "./about.ts";
import type { Actuators } from "./actuators.ts";
import { healthReport } from "./health.ts";
import { createSamplers } from "./sensors.ts";
import { journalFileOn } from "./state-file.ts";
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
  const { clock, random, log, board, actuators, files, version } = parts;
  const { guard } = actuators;
  const startedMonotonicMs = clock.monotonicMs();
  const topics = topicsUnder(config.mqtt.topic_root);
  const running = new AbortController();
  const loop = watchLoop(clock);
  // One listener a sensor is no leak.
  setMaxListeners(0, running.signal);

  const outbox = await openOutbox(
    {
      path: config.buffer.path,
      maxSizeBytes: config.buffer.max_size,
      maxAgeMs: config.buffer.max_age,
      whenFull: config.buffer.when_full,
      syncAfterMs: config.buffer.sync_after,
    },
    { files, clock, random },
  );
  // What the broker hears of exists before the session that tells it.
  let session: Session | undefined;
  let stopping = false;
  let stopByMs = Number.POSITIVE_INFINITY;
  const link = () => session?.link();
  const recorder = createRecorder(outbox, clock, () => session?.hasSession() ?? false);
  recordBoot(recorder, outbox.opening, version);
  recordDrops(outbox, recorder, log);
  const journal = await openJournal({
    file: journalFileOn(files, join(config.buffer.path, "commands.journal")),
    log,
  });

  const retained = createRetained(link, log);
  const about = createAbout({ topic: topics.about, link, clock, log });
  about.set(aboutNode(config, board.host, version));
  // What an earlier run reported broken is not known to be so now.
  for (const { id } of config.sensors) retained.set(topics.fault(id), "");

  const samplers = createSamplers(config, {
    board,
    clock,
    random,
    log,
    events: {
      reading: (id, measurements, at) => void recorder.record(`telemetry/${id}`, measurements, at),
      failed(id, { error, kind, since, failures }) {
        retained.set(topics.fault(id), JSON.stringify({ error, since: isoTime(since.wallMs), failures }));
        recorder.record("event/sensor", { sensor: id, state: "failing", kind, error, failures });
      },
      recovered(id, { failures, since }) {
        retained.set(topics.fault(id), "");
        recorder.record("event/sensor", { sensor: id, state: "ok", failures, since: isoTime(since.wallMs) });
      },
    } satisfies SamplerEvents,
  });

  const downlink = createDownlink({
    topics,
    guard,
    journal,
    clock,
    log,
    couldBeQueued: () => config.mqtt.session_expiry > 0,
    publishResult: async (message) => link()?.publish(message),
    nodeCommands: {
      sample: async () =>
        void (await Promise.all([...samplers.values()].map((sampler) => sampler.sampleNow()))),
      about: () => about.publish(),
      restart: async () => parts.onRestart(),
    },
  });

  const uplink = createUplink({
    outbox,
    topicRoot: topics.root,
    qos: config.telemetry.qos,
    maxInFlight: config.mqtt.max_in_flight,
    ratePerSecond: config.buffer.replay.rate,
    clock,
    log,
    onDrop({ seq, topic, reason }) {
      // The report of a loss that is itself lost is not reported: it would go the same way, for ever.
      if (topic !== "event/dropped")
        recorder.record("event/dropped", { from_seq: seq, to_seq: seq, count: 1, reason });
    },
  });

  const presence = createSession({
    servers: config.mqtt.url,
    clientId: config.mqtt.client_id,
    version: config.mqtt.version,
    open(server, protocolLevel, signal) {
      return openLink(
        {
          server,
          version: protocolLevel,
          clientId: config.mqtt.client_id,
          username: config.mqtt.username,
          password: config.mqtt.password,
          keepaliveMs: config.mqtt.keepalive,
          sessionExpiryMs: config.mqtt.session_expiry,
          will: { topic: topics.status, payload: OFFLINE },
          onMessage: async (message: Incoming) => {
            if (!about.offer(message)) await downlink.receive(message);
          },
          clock,
          log,
        },
        parts.dial,
        signal,
      );
    },
    // Not before: a broker that takes connections and then nothing is as good as none.
    onListening(link) {
      guard.setOnline(true);
      link.closed.addEventListener("abort", () => guard.setOnline(false), { once: true });
    },
    subscriptions: downlink.filters,
    statusTopic: topics.status,
    steps: [
      about,
      retained,
      {
        name: "reporting health",
        run: async (to) => void publishHealth(to).catch(() => {}),
      },
      uplink,
    ],
    reconnect: { minMs: config.mqtt.reconnect.min, maxMs: config.mqtt.reconnect.max },
    clock,
    random,
    log,
  });

  session = presence;
  const retainState = ({ id, state, cause, at }: Change) =>
    retained.set(topics.state(id), JSON.stringify({ state, time: isoTime(at.wallMs), cause }));
  // Those that outlived the node before this one are told to the broker anew: it may have lost them.
  for (const change of actuators.latest()) retainState(change);
  actuators.listen((change) => {
    const { id, state, cause, at } = change;
    retainState(change);
    recorder.record("event/actuator", { actuator: id, state, cause }, at);
    if (cause === "failsafe")
      recorder.record("event/failsafe", { actuator: id, state, reason: failsafeReason() }, at);
  });

  async function publishHealth(to: Link): Promise<void> {
    const report = await healthReport({
      clock,
      host: board.host,
      vitals: parts.vitals,
      loop,
      opening: outbox.opening,
      startedMonotonicMs,
      diskPath: config.buffer.path,
      outbox: () => outbox.status(),
      link: () => ({
        reconnects: Math.max(0, presence.status().connects - 1),
        lastError: presence.status().lastError,
      }),
      sensors: () => Object.fromEntries([...samplers].map(([id, sampler]) => [id, sensorHealth(sampler)])),
    });
    await to.publish({ topic: topics.health, payload: JSON.stringify(report), qos: 0, retain: false });
  }

  async function reportHealth(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await clock.sleep(config.health.interval, signal);
      const to = link();
      if (to && !signal.aborted) await publishHealth(to).catch(() => {});
    }
  }

  // The broker is told goodbye last, when everything that may still be said has been said.
  const farewell = new AbortController();
  const present = presence.run(farewell.signal);
  const work = Promise.all([
    ...[...samplers.values()].map((sampler) => sampler.run(running.signal)),
    watchLossesAndClock(outbox, recorder, clock, log, running.signal),
    reportHealth(running.signal),
    loop.run(running.signal),
  ]);

  const failsafeReason = () => (stopping ? "shutdown" : presence.hasSession() ? "write_failed" : "offline");

  const bounded = (what: string, step: Promise<unknown>) =>
    withDeadline(clock, what, Math.min(STOP_STEP_MS, stopByMs - clock.monotonicMs()), step).catch(
      (error: unknown) => {
        log.error(`${what} failed while stopping`, {
          error: error instanceof Error ? error.message : String(error),
        });
      },
    );

  return {
    config,
    guard,
    samplers,
    status: () => ({ link: presence.status(), outbox: outbox.status(), opening: outbox.opening }),
    async stop({ keepActuators = false } = {}) {
      stopping = true;
      stopByMs = clock.monotonicMs() + STOP_MS;
      if (!keepActuators) await bounded("making the actuators safe", guard.shutdown());
      running.abort();
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

/** The first record of every run (contract, section 4). */
function recordBoot(recorder: Recorder, { run, stream, lastEnd, skipped }: Opening, version: string): void {
  recorder.record("event/boot", {
    boot: run,
    stream,
    version,
    reason: lastEnd === "none" ? "first" : lastEnd,
    ...(skipped && { skipped: { from_seq: skipped.fromSeq, to_seq: skipped.toSeq } }),
  });
}

function sensorHealth(sampler: Sampler) {
  const { state, samples, errors, lastError } = sampler.status();
  const count = Object.values(errors).reduce((sum, each) => sum + each, 0);
  return { state, samples, errors: count, ...(lastError !== undefined && { last_error: lastError }) };
}
