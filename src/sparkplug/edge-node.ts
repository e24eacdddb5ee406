import { join } from "node:path";
import type { Change } from "../actuators/guard.ts";
import type { Config } from "../config/config.ts";
import { type Clock, withDeadline } from "../device/clock.ts";
import type { Host } from "../device/host.ts";
import type { Log } from "../log.ts";
import type { Convention } from "../mqtt/convention/convention.ts";
import { NODE_TARGET, type Topics } from "../mqtt/convention/topics.ts";
import { createComplaints } from "../mqtt/downlink/complaints.ts";
import { type OpenLink, type Outgoing, PublishRefusedError } from "../mqtt/link/link.ts";
import type { FileLayer } from "../outbox/files/files.ts";
import type { Outbox } from "../outbox/outbox.ts";
import type { Moment } from "../record/recorder.ts";
import type { Measurements } from "../sensors/driver.ts";
import { BD_SEQ_FILE, openBdSeq } from "./bd-seq.ts";
import {
  actuatorValues,
  BD_SEQ,
  born,
  type Definition,
  type Definitions,
  type Device,
  healthValues,
  modelOf,
  NODE_RESULT,
  REBIRTH,
  REBOOT,
  SAMPLE,
} from "./model.ts";
import { DataType, encodePayload, type Metric, type MetricValue, withSeq } from "./payload.ts";
import { createPrimaryHost } from "./primary-host.ts";
import { dataOf, faultIn } from "./records.ts";
import { sparkplugTopics, stateTopic } from "./topics.ts";
import { readWrites } from "./writes.ts";

export interface EdgeNodeParts {
  readonly config: Config;
  readonly version: string;
  readonly host: Pick<Host, "model" | "serial" | "hostname">;
  readonly topics: Topics;
  readonly files: FileLayer;
  readonly outbox: Pick<Outbox, "status">;
  readonly clock: Clock;
  readonly log: Log;
}

/** From a birth on, until the link ends: what hosts call being online. */
interface Birth {
  readonly link: OpenLink;
  /** Of the next message, 0 to 255 and round again (section 6.4.4). */
  seq: number;
  /** Records with lower numbers are older than what the birth said. */
  fromSeq: number;
  readonly devices: Set<string>;
  /** Monotonic time. */
  readonly atMs: number;
  /** Another one has been asked for. */
  isDue: boolean;
}

const FAREWELL_MS = 500;

/** Births on demand are no more often than this: whoever may ask for them must not be able to flood the broker. */
const REBIRTH_MS = 1_000;

/** A node as an edge node of Eclipse Sparkplug 3.0.0, each sensor and actuator a device of it. */
export function createEdgeNode({
  config,
  version,
  host,
  topics,
  files,
  outbox,
  clock,
  log,
}: EdgeNodeParts): Convention {
  const { group = "", primary_host: primaryHostId } = config.mqtt.sparkplug ?? {};
  const { qos } = config.telemetry;
  const model = modelOf(config, { version, host });
  const at = sparkplugTopics(group, config.device.id);
  const bdSeq = openBdSeq(files, join(config.buffer.path, BD_SEQ_FILE), log);
  const primary = primaryHostId === undefined ? undefined : createPrimaryHost();
  const complain = createComplaints(clock, log);
  const readings = new Map<string, { readonly measurements: Measurements; readonly at: Moment }>();
  const changes = new Map<string, Change>();
  /** Sensors whose fault has been told in the stream, as far as it has been sent. */
  const failing = new Set<string>();
  let health: ReadonlyMap<string, MetricValue | null> = new Map();
  let birth: Birth | undefined;
  /** The link as it was opened. */
  let bare: OpenLink | undefined;

  const message = (topic: string, payload: Uint8Array): Outgoing => ({ topic, payload, qos, retain: false });
  const deathOf = (device: string) =>
    message(at.ofDevice("DDEATH", device), encodePayload(clock.wallMs(), []));
  const nodeDeath = (): Outgoing => ({
    topic: at.of("NDEATH"),
    payload: encodePayload(clock.wallMs(), [
      { name: BD_SEQ, type: DataType.Int64, value: bdSeq.current(), timestampMs: clock.wallMs() },
    ]),
    qos: 1,
    retain: false,
  });

  /** Sends with the next sequence number, which a message that does not go out gives back. */
  function send(to: Birth, what: Outgoing, done: (error?: Error) => void): void {
    const seq = to.seq;
    to.seq = (seq + 1) % 256;
    let here = true;
    to.link.publishThen({ ...what, payload: withSeq(what.payload as Uint8Array, seq) }, (error) => {
      if (here && error instanceof PublishRefusedError) to.seq = seq;
      done(error);
    });
    here = false;
  }

  function say(to: Birth, what: Outgoing): void {
    send(to, what, (error) => {
      if (error && !to.link.closed.aborted)
        log.error("a message was not taken", { topic: what.topic, error: error.message });
    });
  }

  function data(metrics: readonly Metric[], device?: string): Outgoing {
    const topic = device === undefined ? at.of("NDATA") : at.ofDevice("DDATA", device);
    return message(topic, encodePayload(clock.wallMs(), metrics));
  }

  function metricsNow(
    values: ReadonlyMap<string, MetricValue | null>,
    definitions: Definitions,
    atMs: number,
  ): Metric[] {
    return [...values].flatMap(([name, value]) => {
      const definition = definitions.get(name);
      return definition ? [{ alias: definition.alias, type: definition.type, value, timestampMs: atMs }] : [];
    });
  }

  function nodeValue({ name, constant }: Definition): MetricValue | null {
    if (constant !== undefined) return constant;
    if (name === BD_SEQ) return bdSeq.current();
    if (name === REBIRTH || name === REBOOT || name === SAMPLE) return false;
    return health.get(name) ?? null;
  }

  function valuesOf({ id, actuator }: Device): {
    readonly values: Readonly<Record<string, MetricValue | null>>;
    readonly atMs: number;
  } {
    if (!actuator) {
      const reading = readings.get(id);
      return { values: reading?.measurements ?? {}, atMs: reading?.at.wallMs ?? clock.wallMs() };
    }
    const change = changes.get(id);
    return {
      values: {
        ...actuatorValues(actuator, change?.state, change?.details?.["position"]),
        cause: change?.cause ?? null,
      },
      atMs: change?.at.wallMs ?? clock.wallMs(),
    };
  }

  function bearDevice(to: Birth, device: Device): void {
    const { values, atMs } = valuesOf(device);
    const metrics = [...device.metrics.values()].map((definition) =>
      born(definition, definition.constant ?? values[definition.name] ?? null, atMs),
    );
    to.devices.add(device.id);
    say(to, message(at.ofDevice("DBIRTH", device.id), encodePayload(clock.wallMs(), metrics)));
  }

  /** NBIRTH, then every device, with nothing in between (sections 6.4.17 and 6.4.19). */
  function bear(link: OpenLink): void {
    const nowMs = clock.wallMs();
    const to: Birth = {
      link,
      seq: 0,
      fromSeq: outbox.status().nextSeq,
      devices: new Set(),
      atMs: clock.monotonicMs(),
      isDue: false,
    };
    birth = to;
    const metrics = [...model.node.values()].map((definition) =>
      born(definition, nodeValue(definition), nowMs),
    );
    say(to, message(at.of("NBIRTH"), encodePayload(nowMs, metrics)));
    for (const device of model.devices.values()) bearDevice(to, device);
    if (outbox.status().depth === 0) for (const death of deathsDue(to)) over(to, death, () => {});
  }

  /** At once, or as soon as the one before is long enough ago; several that wait are one. */
  async function bearAgain(): Promise<void> {
    const to = alive();
    if (to === undefined || to.isDue) return;
    to.isDue = true;
    const waitMs = to.atMs + REBIRTH_MS - clock.monotonicMs();
    if (waitMs > 0) await clock.sleep(waitMs, to.link.closed);
    if (alive() === to) bear(to.link);
  }

  /** A device that fails is dead; but records of it from before may still have to be sent. */
  function deathsDue(to: Birth): Outgoing[] {
    return [...failing].filter((id) => to.devices.has(id)).map(deathOf);
  }

  /** What is sent over the link, when its turn has come: a device is alive while data of it is sent. */
  function over(to: Birth, what: Outgoing, done: (error?: Error) => void): void {
    const dead = at.deadDevice(what.topic);
    if (dead !== undefined && !to.devices.delete(dead)) {
      done();
      return;
    }
    const device = model.devices.get(at.dataDevice(what.topic) ?? "");
    if (device && !to.devices.has(device.id)) bearDevice(to, device);
    send(to, what, done);
  }

  const alive = () => (birth && !birth.link.closed.aborted ? birth : undefined);

  /** The host is away: this session ends, and the next one waits for it (section 5.4). */
  async function leave({ link }: Birth): Promise<void> {
    birth = undefined;
    log.info("the primary host is offline: nothing is sent until it is back", { host: primaryHostId });
    // In its turn: data that waits for a slow link must not come behind it.
    const farewell = new Promise<void>((resolve) => link.publishThen(nodeDeath(), () => resolve()));
    await withDeadline(clock, "the farewell", FAREWELL_MS, farewell).catch(() => {});
    await link.end();
  }

  return {
    will() {
      bdSeq.next();
      return nodeDeath();
    },
    filters: [
      at.of("NCMD"),
      at.ofDevice("DCMD", "+"),
      ...(primaryHostId === undefined ? [] : [stateTopic(primaryHostId)]),
    ],
    dress(link) {
      primary?.forget();
      birth = undefined;
      bare = link;
      const publishThen: OpenLink["publishThen"] = (what, done) => {
        const to = alive();
        if (!at.isNumbered(what.topic)) link.publishThen(what, done);
        else if (to) over(to, what, done);
        // Behind a death comes nothing more: a record waits for the next birth.
        else done(new Error("the node has no Sparkplug session"));
      };
      return {
        ...link,
        publishThen,
        publish: (what) =>
          new Promise((resolve, reject) => publishThen(what, (error) => (error ? reject(error) : resolve()))),
      };
    },
    steps: [
      {
        name: "giving birth",
        async run(link) {
          if (primary && !primary.online()) {
            log.info("waiting for the primary host", { host: primaryHostId });
            await primary.whenOnline(link.closed);
          }
          // Not over the link as it is dressed: a birth numbers its messages itself.
          if (!link.closed.aborted && bare) bear(bare);
        },
      },
    ],
    async farewell(link) {
      if (alive() === undefined) return;
      birth = undefined;
      await link.publish(nodeDeath());
    },
    spell(seq, time, sample) {
      const to = alive();
      const isOld = seq < (to?.fromSeq ?? Number.POSITIVE_INFINITY);
      const { device, metrics } = dataOf(seq, time, sample, isOld, model);
      const fault = faultIn(sample);
      if (fault) failing[fault.isOver ? "delete" : "add"](fault.sensor);
      return [
        ...(to && !isOld && !fault ? deathsDue(to) : []),
        data(metrics, device),
        ...(fault && !fault.isOver && model.devices.has(fault.sensor) ? [deathOf(fault.sensor)] : []),
      ];
    },
    hear(heard) {
      if (primaryHostId !== undefined && primary && heard.topic === stateTopic(primaryHostId)) {
        const state = primary.hear(heard.payload);
        const to = alive();
        if (state === "offline" && to) void leave(to);
        return [];
      }
      const device = at.commanded(heard.topic);
      const to = alive();
      // Before its birth nobody can know what it could be told.
      if (device === false || heard.payload.length === 0 || to === undefined) return [];
      const { commands, rebirth, complaints } = readWrites(heard, device, model, topics);
      for (const reason of complaints)
        complain("a command is refused", reason, { device: device ?? NODE_TARGET });
      if (rebirth && !heard.retain) void bearAgain();
      return commands;
    },
    results(result) {
      const target = result.topic.startsWith(topics.result(""))
        ? result.topic.slice(topics.result("").length)
        : "";
      const device = model.devices.get(target);
      const definition = target === NODE_TARGET ? model.node.get(NODE_RESULT) : device?.metrics.get("result");
      if (!definition || !alive()) return [];
      const values = new Map([[definition.name, String(result.payload)]]);
      return [data(metricsNow(values, device?.metrics ?? model.node, clock.wallMs()), device?.id)];
    },
    reading: (id, measurements, moment) => void readings.set(id, { measurements, at: moment }),
    // The stream says it, in its turn: see `spell`.
    fault() {},
    actuator(change) {
      changes.set(change.id, change);
      const to = alive();
      const device = model.devices.get(change.id);
      if (!to || !device?.actuator) return;
      const { values, atMs } = valuesOf(device);
      over(to, data(metricsNow(new Map(Object.entries(values)), device.metrics, atMs), device.id), () => {});
    },
    health(report) {
      const values = healthValues(report);
      const changed = new Map([...values].filter(([name, value]) => health.get(name) !== value));
      health = values;
      const to = alive();
      if (!to) return [];
      if (outbox.status().depth === 0) for (const death of deathsDue(to)) over(to, death, () => {});
      return [data(metricsNow(changed, model.node, clock.wallMs()))];
    },
    async announce() {
      await bearAgain();
    },
  };
}
