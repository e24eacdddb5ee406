import { isoTime } from "../../record/json.ts";
import type { Topics } from "../convention/topics.ts";
import type { Incoming, Outgoing } from "../link/link.ts";
import type { Reply } from "./judge.ts";

/** A result as the contract has it: only the keys that apply. */
export function resultJson(
  id: string | undefined,
  { status, state, error, details }: Reply,
  wallMs: number,
): string {
  return JSON.stringify({ id, status, state, error, ...details, time: isoTime(wallMs) });
}

/** A result, addressed to where results of `target` go and to where the sender asked for it. */
export function addressed(payload: string, target: string, message: Incoming, topics: Topics): Outgoing[] {
  const { responseTopic, correlationData } = message;
  const answer = { payload, qos: 1, retain: false } as const;
  const answers: Outgoing[] = [];
  if (isName(target)) answers.push({ ...answer, topic: topics.result(target) });
  if (responseTopic !== undefined && mayRespondTo(responseTopic, topics.root))
    answers.push({ ...answer, topic: responseTopic, ...(correlationData && { correlationData }) });
  return answers;
}

/**
 * Whether a sender may direct a result there. Not with wildcards (MQTT 5, section 3.3.2.3.5), not to the broker's own
 * topics, and not below the node's own root: that would let a sender speak in the node's name, or command it in a loop.
 */
export function mayRespondTo(topic: string, root: string): boolean {
  return topic !== "" && !/[+#\0]|^\$/.test(topic) && topic !== root && !topic.startsWith(`${root}/`);
}

/** Whether a level of an incoming topic could be an actuator's id at all, so that it may be repeated in an answer. */
function isName(target: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(target);
}
