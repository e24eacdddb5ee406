import type { Clock } from "../device/clock.ts";
import type { Host } from "../device/host.ts";
import type { Log } from "../log.ts";
import type { Guest } from "../mqtt/convention/fieldpost.ts";
import type { OpenLink } from "../mqtt/link/link.ts";
import { createRetainedLook } from "../mqtt/retained/look.ts";
import { OFFLINE, ONLINE } from "../mqtt/retained/status.ts";
import { type Component, type EntityContext, entitiesOf } from "./entities.ts";

export interface HomeAssistantOptions extends EntityContext {
  readonly prefix: string;
  readonly version: string;
  readonly host: Pick<Host, "model" | "serial">;
  /** The link there is now, if any. */
  readonly link: () => OpenLink | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** Home Assistant's default, whatever the discovery prefix is. */
const BIRTH_TOPIC = "homeassistant/status";

/**
 * The node as a device of Home Assistant's: one retained message that names every entity. Home Assistant says on the
 * filters' topics that it has started; they are heard for as long as the session lives.
 */
export function createHomeAssistant(options: HomeAssistantOptions): Guest {
  const { prefix, config, link, clock, log } = options;
  const topic = `${prefix}/device/fieldpost_${config.device.id}/config`;
  const births = [...new Set([BIRTH_TOPIC, `${prefix}/status`])];
  const payload = JSON.stringify(discoveryOf(options));
  const look = createRetainedLook(topic, clock);

  const publish = (to: OpenLink, text: string) => to.publish({ topic, payload: text, qos: 1, retain: true });

  /** Says first what is gone, then what there is: an entity that is only left out would stay in Home Assistant for ever. */
  async function announce(to: OpenLink): Promise<void> {
    const before = await look.ask(to);
    if (before === payload) return;
    const farewell = before === undefined ? undefined : withoutGone(before, payload);
    if (farewell !== undefined) await publish(to, farewell);
    await publish(to, payload);
  }

  const failed = (error: Error) =>
    log.debug("the node was not announced to Home Assistant", { topic, error: error.message });

  return {
    name: "announcing the node to Home Assistant",
    filters: births,
    offer(message) {
      if (look.offer(message)) return true;
      if (!births.includes(message.topic)) return false;
      const to = link();
      if (to && Buffer.from(message.payload).toString() === ONLINE && !message.retain)
        publish(to, payload).catch(failed);
      return true;
    },
    async run(to) {
      // Beside the other steps: the records must not wait for a broker that has nothing to show.
      announce(to).catch(failed);
    },
  };
}

/** The device's discovery message: https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload */
export function discoveryOf(options: Omit<HomeAssistantOptions, "prefix" | "link" | "clock" | "log">) {
  const { config, topics, host, version } = options;
  const { id, name = id } = config.device;
  return {
    dev: {
      ids: [`fieldpost_${id}`],
      name,
      mf: "Fieldpost",
      mdl: host.model,
      sw: version,
      ...(host.serial !== undefined && { sn: host.serial }),
    },
    o: { name: "fieldpost", sw: version },
    avty: [{ t: topics.status, pl_avail: ONLINE, pl_not_avail: OFFLINE }],
    cmps: entitiesOf(options),
  };
}

/**
 * The new message with each entity that only the old one has reduced to its platform, which is how Home Assistant is told
 * to remove one. Undefined: none is gone, or what is there cannot be read.
 */
export function withoutGone(before: string, after: string): string | undefined {
  const old = componentsIn(before);
  const message = JSON.parse(after) as { cmps: Record<string, Component> };
  const gone = Object.entries(old).filter(
    // One that has become another kind of entity is gone too.
    ([key, old]) => typeof old?.p === "string" && message.cmps[key]?.p !== old.p,
  );
  if (gone.length === 0) return undefined;
  const removals = Object.fromEntries(gone.map(([key, old]) => [key, { p: old?.p }]));
  return JSON.stringify({ ...message, cmps: { ...message.cmps, ...removals } });
}

type Components = Readonly<Record<string, { readonly p?: unknown } | null>>;

function componentsIn(text: string): Components {
  try {
    const { cmps } = JSON.parse(text) as { cmps?: unknown };
    return typeof cmps === "object" && cmps !== null ? (cmps as Components) : {};
  } catch {
    return {};
  }
}
