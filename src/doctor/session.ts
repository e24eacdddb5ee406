import { formatServer } from "../mqtt/broker/server.ts";
import { topicsUnder } from "../mqtt/convention/topics.ts";
import type { OpenLink } from "../mqtt/link/link.ts";
import { createRetainedLook } from "../mqtt/retained/look.ts";
import { OFFLINE, ONLINE } from "../mqtt/retained/status.ts";
import { aboutNode } from "../node/about.ts";
import { formatSizeBytes } from "../schema/size.ts";
import { type BrokerVisit, inWords, NotReachedError } from "./broker-visit.ts";
import { type Check, failed, ok, skipped, warning } from "./check.ts";
import { BROKER_LIMIT_MS, eachBroker } from "./network.ts";

const common = { area: "broker", needs: "broker", limitMs: BROKER_LIMIT_MS } as const;

export const brokerConnect: Check = {
  ...common,
  id: "broker-connect",
  title: "connection",
  looksAt:
    "the broker accepts the node's user name, password and certificate (CONNACK), under a client id of the doctor's own",
  run: eachBroker("connection", async (visit, what) => {
    const link = await visit.link().catch((error) => {
      if (error.name === "NotReachedError") throw error;
      const { message } = inWords(error, visit.server);
      const tied =
        error.name === "ConnectionRefusedError"
          ? ` (asked as ${visit.clientId}: a broker that ties permissions to the client id may still take the node)`
          : "";
      throw new Error(`${message}${tied}`);
    });
    return [ok(what, `accepted by MQTT ${link.version === 5 ? "5" : "3.1.1"}`)];
  }),
};

/** Why there is no connection is said of the connection. */
async function linkOf(visit: BrokerVisit): Promise<OpenLink> {
  return visit.link().catch((cause) => {
    throw new NotReachedError("no connection", { cause });
  });
}

export const brokerLimits: Check = {
  ...common,
  id: "broker-limits",
  title: "limits",
  looksAt:
    "what the broker announces (MQTT 5) lets the node do its work: packet size, retained messages, QoS 1",
  run: eachBroker("limits", async (visit, what, { config, board }) => {
    const link = await linkOf(visit);
    const { maximumPacketBytes, receiveMaximum, maximumQos, retainAvailable } = link;
    // The longest message of a node, by far.
    const aboutBytes = Buffer.byteLength(aboutNode(config, board.host, "0.0.0")) + 200;
    if (maximumQos < 1)
      return [
        failed(
          what,
          "the broker takes QoS 0 only: it acknowledges nothing, and records would be lost",
          "allow QoS 1 at the broker",
        ),
      ];
    if (!retainAvailable)
      return [
        warning(
          what,
          "the broker keeps no retained messages: status, about and states are seen only as they come",
          "switch retained messages on at the broker",
        ),
      ];
    if (maximumPacketBytes < aboutBytes)
      return [
        warning(
          what,
          `packets of at most ${formatSizeBytes(maximumPacketBytes)}; the node's about takes ${formatSizeBytes(aboutBytes)}`,
          "raise the broker's maximum packet size",
        ),
      ];
    if (link.version === 4) return [ok(what, "MQTT 3.1.1 announces none")];
    const packets =
      maximumPacketBytes === Number.POSITIVE_INFINITY
        ? "packets of any size"
        : `packets up to ${formatSizeBytes(maximumPacketBytes)}`;
    return [
      ok(
        what,
        `${packets}, ${Math.min(receiveMaximum, config.mqtt.max_in_flight)} in flight, QoS ${maximumQos}, retained messages`,
      ),
    ];
  }),
};

export const brokerSubscribe: Check = {
  ...common,
  id: "broker-subscribe",
  title: "commands",
  looksAt: "the node may subscribe to its commands (SUBACK)",
  run: eachBroker("commands", async (visit, what, { config }) => {
    if (config.mqtt.convention !== "fieldpost") return [];
    const link = await linkOf(visit);
    const filter = topicsUnder(config.mqtt.topic_root).commands;
    try {
      await link.subscribe([filter]);
      await link.unsubscribe([filter]);
      return [ok(what, `may subscribe to ${filter}`)];
    } catch (error) {
      return [
        failed(
          what,
          `${filter}: ${(error as Error).message}`,
          "the broker's access list must let this user subscribe to it",
        ),
      ];
    }
  }),
};

export const brokerPublish: Check = {
  ...common,
  id: "broker-publish",
  title: "publishing",
  looksAt: "the node may publish below its topic root (PUBACK): one message to `doctor`, not retained",
  run: eachBroker("publishing", async (visit, what, { config, clock }) => {
    const link = await linkOf(visit);
    const topic = `${config.mqtt.topic_root}/doctor`;
    const startMs = clock.monotonicMs();
    try {
      await link.publish({ topic, payload: "{}", qos: 1, retain: false });
    } catch (error) {
      return [
        failed(
          what,
          `${topic}: ${(error as Error).message}`,
          `the broker's access list must let this user publish to ${config.mqtt.topic_root}/#`,
        ),
      ];
    }
    const found = `${topic} acknowledged in ${Math.round(clock.monotonicMs() - startMs)} ms`;
    return [
      ok(what, link.version === 5 ? found : `${found} (MQTT 3.1.1 does not say whether it was passed on)`),
    ];
  }),
};

export const clientIdInUse: Check = {
  ...common,
  id: "client-id",
  title: "client id",
  looksAt:
    "nobody else is online as this node: its retained `status`, and whether it runs here. Nobody is thrown out to find out",
  run: eachBroker("client id", async (visit, what, { config, clock, runningNode }) => {
    if (config.mqtt.convention !== "fieldpost") return [];
    const link = await linkOf(visit);
    const node = await runningNode();
    const { client_id, topic_root } = config.mqtt;
    const rival = node.runs && node.view?.link.last_error;
    if (rival && /client id/.test(rival) && !node.view?.link.connected)
      return [failed(what, rival, "give one of the two another device.id")];
    const look = createRetainedLook(topicsUnder(topic_root).status, clock);
    visit.onMessage((message) => void look.offer(message));
    const status = await look.ask(link);
    if (status !== ONLINE)
      return [
        ok(what, `nobody is online as ${client_id}${status === OFFLINE ? "; the node was here before" : ""}`),
      ];
    if (node.runs && !node.view)
      return [
        skipped(what, "a node runs here, and this user may not ask it whether it is the one that is online"),
      ];
    const isHere = node.runs && node.view?.link.connected;
    if (isHere) return [ok(what, `${client_id} is the node that runs here`)];
    return [
      failed(
        what,
        `somebody is online as ${topic_root} at ${formatServer(visit.server)}, and it is not this machine`,
        "stop the other node, or give one of them another device.id. A node that was cut off a minute ago looks the same: ask again",
      ),
    ];
  }),
};
