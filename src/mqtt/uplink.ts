import type { Clock } from "../device/clock.ts";
import type { Log } from "../log.ts";
import type { Entry, Outbox } from "../outbox/outbox.ts";
import { toJson } from "../record/json.ts";
import { decodeSample } from "../record/record.ts";
import { sampleTime } from "../record/time.ts";
import { type OpenLink, type Outgoing, PublishRefusedError } from "./link.ts";
import { createPace } from "./pace.ts";
import { PACKET_TOO_LARGE, QUOTA_EXCEEDED } from "./reason-codes.ts";

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

/** A record on its way. */
interface Flight {
  readonly seq: number;
  landed: boolean;
}

export function createUplink(options: UplinkOptions): Uplink {
  const { outbox, topicRoot, qos, clock, log } = options;
  const warned = new Set<UplinkDropReason>();
  let inFlight = 0;
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
    const window = Math.max(1, Math.min(options.maxInFlight, link.receiveMaximum));
    const pace = createPace(options.ratePerSecond, clock);
    /** In the order sent. Never longer than the window, so that a broken link repeats no more than that. */
    const flights: Flight[] = [];
    let next = 0;
    let settling = false;
    let landing: (() => void) | undefined;

    /** Acknowledges what has landed without a gap. Once for all that came in with one read of the socket. */
    function settle(): void {
      settling = false;
      let landed = 0;
      while (flights[landed]?.landed) landed++;
      if (landed === 0) return;
      outbox.ack(flights[landed - 1]!.seq);
      flights.splice(0, landed);
      inFlight = flights.length;
      landing?.();
    }

    function land(flight: Flight): void {
      flight.landed = true;
      if (settling) return;
      settling = true;
      setImmediate(settle);
    }

    function send({ seq, record }: Entry): void {
      const flight: Flight = { seq, landed: false };
      flights.push(flight);
      let message: Outgoing;
      try {
        message = encode(seq, record);
      } catch (error) {
        drop(seq, "corrupt", error as Error);
        land(flight);
        return;
      }
      link.publishThen(message, (error) => {
        if (error instanceof PublishRefusedError) {
          if (error.code === QUOTA_EXCEEDED) {
            // It may pass: the record waits, as it does when there is no link.
            link.abandon(error);
            return;
          }
          drop(seq, error.code === PACKET_TOO_LARGE ? "too_large" : "refused", error);
        } else if (error) {
          return;
        } else delivered++;
        land(flight);
      });
    }

    const landed = () =>
      new Promise<void>((resolve) => {
        landing = resolve;
      });

    link.closed.addEventListener("abort", () => landing?.(), { once: true });
    while (!link.closed.aborted) {
      await outbox.available(next, link.closed);
      if (flights.length >= window) await landed();
      const allowed = await pace.take(window - flights.length, link.closed);
      if (link.closed.aborted) break;
      const entries = outbox.peek(next, allowed);
      pace.spent(entries.length);
      for (const entry of entries) {
        next = entry.seq + 1;
        send(entry);
      }
      inFlight = flights.length;
    }
    inFlight = 0;
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

  return { name: "draining the outbox", run, status: () => ({ inFlight, delivered, dropped }) };
}
