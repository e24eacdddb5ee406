import type { Config } from "../config/config.ts";
import type { Clock } from "../device/clock.ts";
import type { Log } from "../log.ts";
import type { Convention } from "../mqtt/convention/convention.ts";
import { homieId, MACHINE } from "../mqtt/convention/homie-id.ts";
import type { SpellRecord } from "../mqtt/convention/spelling.ts";
import { NODE_TARGET, type Topics } from "../mqtt/convention/topics.ts";
import { createComplaints } from "../mqtt/downlink/complaints.ts";
import { fieldsOfRecord } from "../mqtt/encoding/record-fields.ts";
import type { Incoming, OpenLink, Outgoing } from "../mqtt/link/link.ts";
import { createRetainedLook } from "../mqtt/retained/look.ts";
import { createRetained } from "../mqtt/retained/retained.ts";
import { toJson } from "../record/json.ts";
import { propertiesOf } from "./actuators.ts";
import { createCurrent } from "./current.ts";
import {
  ACTION,
  descriptionOf,
  EVENT,
  HEALTH,
  nodesOf,
  type Property,
  READING,
  topicsIn,
} from "./description.ts";

export interface HomieParts {
  readonly config: Config;
  /** The contract's topics: in these words commands and results are told. */
  readonly topics: Topics;
  readonly nodeActions: readonly string[];
  readonly link: () => OpenLink | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** A command of the contract's. */
type Command = readonly [target: string, payload: string];

interface Setter {
  /** Why a payload is refused that means nothing. */
  readonly reason: string;
  command(payload: string): Command | undefined;
}

/** A payload that is longer is no value of any property. */
const MAX_SET_BYTES = 64;

/** What a node does by itself when told a word; the others need more than that. */
const ACTIONS = ["sample", "restart", "identify"];

/** Of what an earlier description names; it comes from the broker, and could be anybody's. */
const MAX_GONE = 1_000;

/** Retained values on their way at once, on a new link. */
const AT_ONCE = 10;

/** The node as a device of the Homie convention 5.0 (https://homieiot.github.io/specification/spec-core-v5_0_0/). */
export function createHomie({ config, topics, nodeActions, link, clock, log }: HomieParts): Convention {
  const { qos } = config.telemetry;
  const root = `homie/5/${config.device.id}`;
  const actions = nodeActions.filter((action) => ACTIONS.includes(action));
  const nodes = nodesOf(config, actions);
  const description = descriptionOf(config, nodes);
  const look = createRetainedLook(`${root}/$description`, clock);
  const complain = createComplaints(clock, log);
  const states = createRetained(link, log);
  const current = createCurrent(clock);
  const properties = new Map(
    config.actuators.map((actuator) => [actuator.id, propertiesOf(actuator, config.actuators)]),
  );
  const setters = settersOf();
  // What an earlier run reported broken is not known to be so now.
  for (const { id } of config.sensors) states.set(alert(id), "");

  const kept = (topic: string, payload: string): Outgoing => ({ topic, payload, qos, retain: true });
  const attribute = (name: string, payload: string): Outgoing => ({
    topic: `${root}/${name}`,
    payload,
    qos: 1,
    retain: true,
  });
  const warning = (words: string): Outgoing => ({
    topic: `${root}/$log/warn`,
    payload: words,
    qos: 1,
    retain: false,
  });
  const stateStep = (state: string) => ({
    name: `publishing $state ${state}`,
    run: (to: OpenLink) => to.publish(attribute("$state", state)),
  });

  function alert(sensor: string): string {
    return `${root}/$alert/${homieId(sensor)}`;
  }

  /** What each `set` topic takes. */
  function settersOf(): ReadonlyMap<string, Setter> {
    const ofActuators = [...properties].flatMap(([actuator, list]) =>
      list
        .filter(({ property }) => property.settable)
        .map(({ id, property, read }) => {
          const command = (payload: string): Command | undefined => {
            const set = read(payload);
            return set === undefined ? undefined : [actuator, JSON.stringify({ set })];
          };
          return setter(homieId(actuator), id, property, command);
        }),
    );
    const command = (payload: string): Command | undefined =>
      actions.includes(payload) ? [NODE_TARGET, JSON.stringify({ do: payload })] : undefined;
    return new Map([...ofActuators, setter(MACHINE, ACTION, nodes[MACHINE]!.properties[ACTION]!, command)]);
  }

  function setter(node: string, id: string, property: Property, command: Setter["command"]) {
    const { datatype, format = "" } = property;
    const values =
      datatype === "boolean" ? ["true", "false"] : format.split(datatype === "float" ? ":" : ",");
    const reason = `${node}/${id} takes ${values.join(datatype === "float" ? " to " : ", ")}`;
    return [`${root}/${node}/${id}/set`, { reason, command }] as const;
  }

  function valuesOf(sensor: string, measurements: Readonly<Record<string, unknown>>): Outgoing[] {
    return Object.entries(measurements)
      .filter(([name]) => nodes[homieId(sensor)]?.properties[homieId(name)] !== undefined)
      .map(([name, value]) => kept(`${root}/${homieId(sensor)}/${homieId(name)}`, String(value)));
  }

  const spell: SpellRecord = (seq, time, sample) => {
    const [kind, name = ""] = sample.topic.split("/");
    const json = toJson(seq, time, sample);
    const isCurrent = current.show(sample);
    if (kind === "event")
      return [
        {
          ...kept(`${root}/${MACHINE}/${EVENT}`, `{"event":${JSON.stringify(name)},${json.slice(1)}`),
          retain: isCurrent,
        },
      ];
    // One of a sensor that an earlier configuration had still counts: its reading goes where nobody is told of it.
    const whole = { ...kept(`${root}/${homieId(name)}/${READING}`, json), retain: isCurrent };
    return isCurrent ? [...valuesOf(name, fieldsOfRecord(sample)), whole] : [whole];
  };

  /**
   * What an earlier configuration left with the broker would stay there for ever: the values of properties, and the alerts of
   * sensors, that there are no more.
   */
  async function clearGone(to: OpenLink, asked: () => void): Promise<void> {
    const before = await look.ask(to, asked);
    const now = new Set(topicsIn(description));
    for (const topic of topicsIn(before ?? "").slice(0, MAX_GONE))
      if (!now.has(topic)) states.set(`${root}/${topic}`, "");
  }

  async function publishAll(to: OpenLink, messages: readonly Outgoing[]): Promise<void> {
    for (let at = 0; at < messages.length; at += AT_ONCE)
      await Promise.all(messages.slice(at, at + AT_ONCE).map((message) => to.publish(message)));
  }

  return {
    will: () => ({ topic: `${root}/$state`, payload: "lost", retain: true }),
    filters: [...setters.keys()],
    steps: [
      stateStep("init"),
      {
        name: "publishing $description",
        async run(to) {
          // The answer is waited for beside: a broker that has none does not say so.
          await new Promise<void>((asked) => {
            clearGone(to, asked)
              .catch((error: Error) => log.debug("old properties were not cleared", { error: error.message }))
              .finally(asked);
          });
          await to.publish(attribute("$description", description));
        },
      },
      states,
      {
        name: "publishing the properties",
        run: (to) =>
          publishAll(
            to,
            current.latest().flatMap(([sensor, measurements]) => valuesOf(sensor, measurements)),
          ),
      },
      stateStep("ready"),
    ],
    farewell: (to) => to.publish(attribute("$state", "disconnected")),
    spell,
    hear(message, to) {
      const setter = setters.get(message.topic);
      if (look.offer(message) || !setter || message.payload.length === 0) return [];
      const wanted =
        message.payload.length > MAX_SET_BYTES
          ? undefined
          : setter.command(Buffer.from(message.payload).toString());
      if (wanted === undefined) {
        if (complain("a command is refused", setter.reason, { topic: message.topic }))
          to.publish(warning(`rejected: ${setter.reason}`)).catch((error: Error) =>
            log.debug("a warning was not delivered", { error: error.message }),
          );
        return [];
      }
      const [target, command] = wanted;
      return [asCommand(message, topics.command(target), command)];
    },
    results({ topic, payload }) {
      const { status, error } = JSON.parse(String(payload)) as { status: string; error?: string };
      if (status === "done") return [];
      const target = topic.slice(topic.lastIndexOf("/") + 1);
      return [warning([target, status, ...(error === undefined ? [] : [error])].join(": "))];
    },
    reading: current.reading,
    fault: (sensor, fault) => states.set(alert(sensor), fault ? `${sensor}: ${fault.error}` : ""),
    actuator({ id, state, details = {} }) {
      for (const { id: name, property, show } of properties.get(id) ?? [])
        if (property.retained !== false)
          states.set(`${root}/${homieId(id)}/${name}`, show(state, details) ?? "");
    },
    health: (report) =>
      Object.entries(HEALTH).flatMap(
        ([
          id,
          {
            from: [key, inner],
          },
        ]) => {
          const outer = report[key] as Record<string, unknown> | number | undefined;
          const value = inner !== undefined && typeof outer === "object" ? outer[inner] : outer;
          return typeof value === "number" ? [kept(`${root}/${MACHINE}/${id}`, String(value))] : [];
        },
      ),
    // It changes with the configuration only, and then there is another link.
    announce: async () => void (await link()?.publish(attribute("$description", description))),
  };
}

function asCommand({ retain, qos }: Incoming, topic: string, command: string): Incoming {
  return { topic, payload: Buffer.from(command), retain, qos };
}
