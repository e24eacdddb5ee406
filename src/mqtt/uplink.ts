import type { Clock } from "../device/clock.ts";
import type { Log } from "../log.ts";
import type { Entry, Outbox } from "../outbox/outbox.ts";
import { decodeSample } from "../record/record.ts";
import { sampleTime } from "../record/time.ts";
import { type EncodeRecord, encodeJson } from "./encoding.ts";
import { type OpenLink, type Outgoing, PublishRefusedError } from "./link.ts";
import { createPace, type Pace } from "./pace.ts";
import { isFinalRefusal, PACKET_TOO_LARGE } from "./reason-codes.ts";
import { createWindow, type Window } from "./window.ts";

/** Why a record left the outbox without the broker having it. */
export type UplinkDropReason = "corrupt" | "too_large" | "refused";

export interface UplinkDrop {
  readonly seq: number;
  /** Below the topic root; undefined where the record cannot be read. */
  readonly topic: string | undefined;
  readonly reason: UplinkDropReason;
  readonly error: string;
}

export interface UplinkOptions {
  readonly outbox: Outbox;
  /** Stands before the topics of the records. */
  readonly topicRoot: string;
  readonly qos: 0 | 1 | 2;
  /** How a record is spelled; JSON where absent. */
  readonly encode?: EncodeRecord;
  /** Records on the way to the broker at once; capped by its Receive Maximum. */
  readonly maxInFlight: number;
  /** Records per second; 0: as fast as the broker takes them. */
  readonly ratePerSecond: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Told of each record that the broker will never have. */
  readonly onDrop: (drop: UplinkDrop) => void;
}

export interface UplinkStatus {
  readonly inFlight: number;
  /** Records that the broker has acknowledged. */
  readonly delivered: number;
  readonly dropped: number;
}

const HELD = "the broker refuses a record; it and those behind it wait";

/** How long records wait that the broker refuses for a reason that may pass. */
const HOLD_MS = 30_000;

/** The way of the records out of the outbox. */
export interface Uplink {
  readonly name: string;
  /** Drains the outbox over `link`, oldest first, until the link closes. */
  run(link: OpenLink): Promise<void>;
  status(): UplinkStatus;
}

export function createUplink(options: UplinkOptions): Uplink {
  const { outbox, topicRoot, qos, encode: spell = encodeJson, clock, log } = options;
  const warned = new Set<string>();
  let window: Window | undefined;
  let delivered = 0;
  let dropped = 0;

  function warnOnce(message: string, fields: { seq: number; error: string }): void {
    if (!warned.has(message)) log.warn(message, fields);
    warned.add(message);
  }

  function drop(what: Omit<UplinkDrop, "error">, { message: error }: Error): void {
    dropped++;
    warnOnce("a record cannot be delivered and is dropped", { seq: what.seq, error });
    options.onDrop({ ...what, error });
  }

  async function run(link: OpenLink): Promise<void> {
    const pace = createPace(options.ratePerSecond, clock);
    const full = Math.max(1, Math.min(options.maxInFlight, link.receiveMaximum));
    // After a refusal one record goes first: those behind it would arrive again and again.
    let probing = false;
    while (!link.closed.aborted) {
      const pause = new AbortController();
      let passed = false;
      await drain(link, pace, pause, probing ? 1 : full, (seq) => {
        outbox.ack(seq);
        passed = probing;
        if (probing) queueMicrotask(() => pause.abort());
      });
      probing = !passed;
      if (passed) {
        warned.delete(HELD);
        log.info("the broker takes records again");
      } else await clock.sleep(HOLD_MS, link.closed);
    }
  }

  /** Until the link closes, or the broker refuses a record for now: then all wait, and nothing is lost. */
  async function drain(
    link: OpenLink,
    pace: Pace,
    hold: AbortController,
    size: number,
    ack: (seq: number) => void,
  ): Promise<void> {
    const over = AbortSignal.any([link.closed, hold.signal]);
    window = createWindow(size, over, ack);
    for (let next = 0; ; ) {
      await outbox.available(next, over);
      await window.whenRoom();
      const allowed = await pace.take(window.room(), over);
      if (over.aborted) break;
      const entries = outbox.peek(next, allowed);
      pace.spent(entries.length);
      for (const entry of entries) {
        next = entry.seq + 1;
        send(entry, link, window, hold);
      }
    }
    window = undefined;
  }

  function send({ seq, record }: Entry, link: OpenLink, window: Window, hold: AbortController): void {
    const flight = window.takeOff(seq);
    let message: Outgoing;
    try {
      message = encode(seq, record);
    } catch (error) {
      drop({ seq, topic: undefined, reason: "corrupt" }, error as Error);
      window.land(flight);
      return;
    }
    link.publishThen(message, (error) => {
      if (error !== undefined) {
        if (!(error instanceof PublishRefusedError)) return;
        if (!isFinalRefusal(error.code)) {
          warnOnce(HELD, { seq, error: error.message });
          hold.abort();
          return;
        }
        const reason = error.code === PACKET_TOO_LARGE ? "too_large" : "refused";
        drop({ seq, topic: message.topic.slice(topicRoot.length + 1), reason }, error);
      } else delivered++;
      window.land(flight);
    });
  }

  function encode(seq: number, record: Uint8Array): Outgoing {
    const sample = decodeSample(record);
    return {
      topic: `${topicRoot}/${sample.topic}`,
      payload: spell(seq, sampleTime(sample, clock), sample),
      qos,
      retain: false,
    };
  }

  return {
    name: "draining the outbox",
    run,
    status: () => ({ inFlight: window?.inFlight() ?? 0, delivered, dropped }),
  };
}
