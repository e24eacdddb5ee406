import type { Clock } from "../../device/clock.ts";
import type { Preset } from "../broker/presets.ts";
import { type OpenLink, type Outgoing, PublishRefusedError } from "./link.ts";
import { createPace } from "./pace.ts";
import { inWords, PACKET_TOO_LARGE, TOPIC_NAME_INVALID } from "./reason-codes.ts";

/** Of a broker's rate this much is used: its seconds do not begin when ours do. */
const USED_SHARE = 0.9;

/** A driver that publishes faster than the broker takes is told so, instead of filling the memory. */
const MAX_URGENT = 500;

/** A message that waits for its turn. */
interface Waiting {
  readonly message: Outgoing;
  readonly done: (error?: Error) => void;
}

/**
 * A link that stays within what a broker takes and does not announce: such a broker ends the connection of who goes
 * beyond it. What can never go is refused one by one; what is too much at once waits.
 */
export function limitLink(link: OpenLink, preset: Preset, clock: Clock): OpenLink {
  const { publishesPerSecond = 0, subscribesPerSecond = 0, filtersPerSubscribe, inFlight } = preset;
  const pace = createPace(publishesPerSecond * USED_SHARE, clock);
  const subscribing = createPace(subscribesPerSecond * USED_SHARE, clock);
  /** Results, states, what a user's code publishes: ahead of any backlog, but never instead of it. */
  const urgent: Waiting[] = [];
  /** The flood; at most what the window of the uplink lets out. */
  const waiting: Waiting[] = [];
  let sending = false;
  let backlogsTurn = false;
  const total = () => urgent.length + waiting.length;

  async function sendWaiting(): Promise<void> {
    sending = true;
    for (let left = total(); left > 0; left = total()) {
      const allowed = await pace.take(left, link.closed);
      // A closed link settles them all.
      const count = link.closed.aborted ? total() : allowed;
      // Where both wait, every second message is the backlog's.
      const share = waiting.length === 0 ? 0 : (count + Number(backlogsTurn)) >> 1;
      backlogsTurn = count % 2 === 1 && share <= count >> 1;
      const due = urgent.splice(0, count - share);
      due.push(...waiting.splice(0, count - due.length));
      pace.spent(due.length);
      for (const { message, done } of due) link.publishThen(message, done);
    }
    sending = false;
  }

  function queue(into: Waiting[], message: Outgoing, done: (error?: Error) => void): void {
    const fault = faultOf(message, preset);
    if (fault !== undefined) {
      done(new PublishRefusedError(fault, inWords(fault)));
      return;
    }
    if (into === urgent && urgent.length >= MAX_URGENT) {
      done(new Error("too many messages wait for the broker's rate"));
      return;
    }
    const qos = Math.min(message.qos, preset.maximumQos) as Outgoing["qos"];
    into.push({ message: qos === message.qos ? message : { ...message, qos }, done });
    if (!sending) void sendWaiting();
  }

  async function inParts(
    filters: readonly string[],
    ask: (part: readonly string[]) => Promise<void>,
  ): Promise<void> {
    const size = filtersPerSubscribe ?? filters.length;
    for (let at = 0; at < filters.length; at += size) {
      subscribing.spent(await subscribing.take(1, link.closed));
      await ask(filters.slice(at, at + size));
    }
  }

  return {
    ...link,
    receiveMaximum: Math.min(link.receiveMaximum, inFlight ?? link.receiveMaximum),
    publishThen: (message, done) => queue(waiting, message, done),
    publish: (message) =>
      new Promise((resolve, reject) =>
        queue(urgent, message, (error) => (error ? reject(error) : resolve())),
      ),
    subscribe: (filters, qos = 1) =>
      inParts(filters, (part) => link.subscribe(part, Math.min(qos, preset.maximumQos) as Outgoing["qos"])),
    unsubscribe: (filters) => inParts(filters, (part) => link.unsubscribe(part)),
  };
}

/** Why the broker would end the connection over this message. */
function faultOf({ topic, payload, retain }: Outgoing, preset: Preset): number | undefined {
  if (topic.split("/").length > (preset.topicLevels ?? Number.POSITIVE_INFINITY)) return TOPIC_NAME_INVALID;
  if (Buffer.byteLength(topic) > preset.topicBytes) return TOPIC_NAME_INVALID;
  const { maximumPayloadBytes, maximumRetainedBytes = maximumPayloadBytes } = preset;
  const bytes = typeof payload === "string" ? Buffer.byteLength(payload) : payload.length;
  return bytes > (retain ? maximumRetainedBytes : maximumPayloadBytes) ? PACKET_TOO_LARGE : undefined;
}
