import type { Clock } from "../device/clock.ts";
import type { Log } from "../log.ts";
import type { Entry, Outbox } from "../outbox/outbox.ts";
import { toJson } from "../record/json.ts";
import { decodeSample } from "../record/record.ts";
import { sampleTime } from "../record/time.ts";
import { type OpenLink, type Outgoing, PublishRefusedError } from "./link.ts";
import { createPace } from "./pace.ts";
import { PACKET_TOO_LARGE, QUOTA_EXCEEDED } from "./reason-codes.ts";
import { createWindow, type Window } from "./window.ts";

/** Why a record left the outbox without the broker having it. */
export type UplinkDropReason = "corrupt" | "too_large" | "refused";

export interface UplinkDrop {
  readonly seq: number;
  readonly reason: UplinkDropReason;
  readonly error: string;
}

export interface UplinkOptions {
  readonly outbox: Outbox;
  /** Stands before the topics of the records. */
  readonly topicRoot: string;
  readonly qos: 0 | 1 | 2;
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

/** The way of the records out of the outbox. */
export interface Uplink {
  readonly name: string;
  /** Drains the outbox over `link`, oldest first, until the link closes. */
  run(link: OpenLink): Promise<void>;
  status(): UplinkStatus;
}

export function createUplink(options: UplinkOptions): Uplink {
  const { outbox, topicRoot, qos, clock, log } = options;
  const warned = new Set<UplinkDropReason>();
  let window: Window | undefined;
  let delivered = 0;
  let dropped = 0;

  function drop(seq: number, reason: UplinkDropReason, error: Error): void {
    dropped++;
    if (!warned.has(reason))
      log.warn("a record cannot be delivered and is dropped", { seq, reason, error: error.message });
    warned.add(reason);
    options.onDrop({ seq, reason, error: error.message });
  }

  async function run(link: OpenLink): Promise<void> {
    const size = Math.max(1, Math.min(options.maxInFlight, link.receiveMaximum));
    const pace = createPace(options.ratePerSecond, clock);
    window = createWindow(size, link.closed, (seq) => outbox.ack(seq));
    for (let next = 0; ; ) {
      await outbox.available(next, link.closed);
      await window.whenRoom();
      const allowed = await pace.take(window.room(), link.closed);
      if (link.closed.aborted) break;
      const entries = outbox.peek(next, allowed);
      pace.spent(entries.length);
      for (const entry of entries) {
        next = entry.seq + 1;
        send(entry, link, window);
      }
    }
    window = undefined;
  }

  function send({ seq, record }: Entry, link: OpenLink, window: Window): void {
    const flight = window.takeOff(seq);
    let message: Outgoing;
    try {
      message = encode(seq, record);
    } catch (error) {
      drop(seq, "corrupt", error as Error);
      window.land(flight);
      return;
    }
    link.publishThen(message, (error) => {
      if (error !== undefined) {
        if (!(error instanceof PublishRefusedError)) return;
        if (error.code === QUOTA_EXCEEDED) {
          // It may pass: the record waits, as it does when there is no link.
          link.abandon(error);
          return;
        }
        drop(seq, error.code === PACKET_TOO_LARGE ? "too_large" : "refused", error);
      } else delivered++;
      window.land(flight);
    });
  }

  function encode(seq: number, record: Uint8Array): Outgoing {
    const sample = decodeSample(record);
    return {
      topic: `${topicRoot}/${sample.topic}`,
      payload: toJson(seq, sampleTime(sample, clock), sample),
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
