import type { Clock } from "../device/clock.ts";
import type { Outbox } from "../outbox/outbox.ts";
import { encodeSample, fieldsToJson } from "./record.ts";

/** When something happened, by both clocks. */
export interface Moment {
  readonly wallMs: number;
  readonly monotonicMs: number;
}

export function now(clock: Clock): Moment {
  return { wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() };
}

/** The one way into the outbox: gives a reading or event its time and marks. */
export interface Recorder {
  /** Stores `fields` under a topic below the topic root and returns the sequence number. */
  record(topic: string, fields: Readonly<Record<string, unknown>>, at?: Moment): number;
}

export function createRecorder(outbox: Outbox, clock: Clock, hasSession: () => boolean): Recorder {
  return {
    record(topic, fields, at = now(clock)) {
      return outbox.append(
        encodeSample({
          topic,
          ...at,
          bootId: clock.bootId,
          synced: clock.synced(),
          historical: !hasSession(),
          fieldsJson: fieldsToJson(fields),
        }),
      );
    },
  };
}
