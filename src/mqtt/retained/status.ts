import type { Will } from "../link/connect.ts";
import type { OpenLink } from "../link/link.ts";
import type { LinkStep } from "../session/session.ts";

export const ONLINE = "online";
export const OFFLINE = "offline";

/** Whether the node is there, in one retained word. */
export interface Status {
  readonly will: Will;
  /** Says that it is. */
  readonly birth: LinkStep;
  /** Says that it goes. */
  farewell(link: OpenLink): Promise<void>;
}

export function statusOn(topic: string): Status {
  const say = (link: OpenLink, payload: string) => link.publish({ topic, payload, qos: 1, retain: true });
  return {
    will: { topic, payload: OFFLINE, retain: true },
    birth: { name: `publishing ${ONLINE}`, run: (link) => say(link, ONLINE) },
    farewell: (link) => say(link, OFFLINE),
  };
}
