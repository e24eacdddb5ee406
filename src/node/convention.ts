import type { Config } from "../config/config.ts";
import type { Clock } from "../device/clock.ts";
import type { Host } from "../device/host.ts";
import type { Log } from "../log.ts";
import type { Convention } from "../mqtt/convention/convention.ts";
import { createFieldpost, type Guest } from "../mqtt/convention/fieldpost.ts";
import { contractSpelling } from "../mqtt/convention/spelling.ts";
import type { Topics } from "../mqtt/convention/topics.ts";
import type { OpenLink } from "../mqtt/link/link.ts";
import { createAbout } from "../mqtt/retained/about.ts";
import { createRetained } from "../mqtt/retained/retained.ts";
import type { FileLayer } from "../outbox/files/files.ts";
import type { Outbox } from "../outbox/outbox.ts";
import { aboutNode } from "./about.ts";
import { encodingOf, recordProperties } from "./encoding.ts";

/** What every convention is made with, besides what it brings itself. */
export interface ConventionParts {
  readonly config: Config;
  readonly version: string;
  readonly host: Host;
  /** The contract's topics: in these words commands and results are told. */
  readonly topics: Topics;
  /** What `command/node` can do on this node. */
  readonly nodeActions: readonly string[];
  /** The link there is now, if any. */
  readonly link: () => OpenLink | undefined;
  readonly files: FileLayer;
  readonly outbox: Pick<Outbox, "status">;
  readonly clock: Clock;
  readonly log: Log;
}

export type MakeConvention = (parts: ConventionParts) => Convention;

/** Loads what the configuration's convention is made of; each but the contract's own is a part that a plain node does without. */
export async function loadConvention(config: Config): Promise<MakeConvention> {
  switch (config.mqtt.convention) {
    case "fieldpost":
      return fieldpost(config);
    case "homie5":
      return (await import("../homie/convention.ts")).createHomie;
    case "sparkplug_b": {
      const { createEdgeNode } = await import("../sparkplug/edge-node.ts");
      return createEdgeNode;
    }
  }
}

async function fieldpost(config: Config): Promise<MakeConvention> {
  const encode = await encodingOf(config);
  const guestOf = await loadHomeAssistant(config);
  return (parts) => {
    const { topics, link, clock, log } = parts;
    const about = createAbout({ topic: topics.about, link, clock, log });
    about.set(aboutNode(config, parts.host, parts.version));
    return createFieldpost({
      topics,
      about,
      retained: createRetained(link, log),
      spell: contractSpelling({
        topicRoot: topics.root,
        qos: config.telemetry.qos,
        encode,
        ...recordProperties(config),
      }),
      sensors: config.sensors.map(({ id }) => id),
      guest: guestOf?.(parts),
    });
  };
}

/** Only a node that Home Assistant is to know loads what tells it. */
async function loadHomeAssistant({ mqtt }: Config): Promise<((parts: ConventionParts) => Guest) | undefined> {
  const settings = mqtt.home_assistant;
  if (settings === undefined) return undefined;
  const { createHomeAssistant } = await import("../home-assistant/announce.ts");
  return (parts) => createHomeAssistant({ ...parts, prefix: settings.discovery_prefix });
}
