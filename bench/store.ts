import type { Clock } from "../src/device/clock.ts";
import { linuxClock } from "../src/device/linux/clock.ts";
import { systemRandom } from "../src/device/linux/random.ts";
import { nodeFiles } from "../src/outbox/files/node.ts";
import { type OutboxOptions, openOutbox } from "../src/outbox/open.ts";
import type { Outbox } from "../src/outbox/outbox.ts";
import { encodeSample, fieldsToJson } from "../src/record/record.ts";
import { seriesOf } from "../src/record/series.ts";

/** A reading of a weather station with seven fields, as the outbox stores it. */
export const RECORD_BYTES = 160;

/** Long enough that nothing is synced unless it is asked for. */
export const NEVER_MS = 3_600_000;

/** An outbox on the real disk, as the node opens it but for `options`. */
export function openStore(
  path: string,
  options: Partial<OutboxOptions> = {},
  clock: Clock = linuxClock(),
): Promise<Outbox> {
  return openOutbox(
    {
      path,
      maxSizeBytes: 256 * 1024 ** 2,
      maxAgeMs: 30 * 86_400_000,
      whenFull: "drop_oldest",
      syncAfterMs: NEVER_MS,
      ...options,
    },
    { files: nodeFiles(), clock, random: systemRandom, seriesOf },
  );
}

/** One record of {@link RECORD_BYTES}. */
export function makeRecord(clock: Clock = linuxClock()): Uint8Array {
  const record = encodeSample({
    topic: "telemetry/air",
    wallMs: clock.wallMs(),
    monotonicMs: clock.monotonicMs(),
    bootId: clock.bootId,
    synced: true,
    historical: true,
    fieldsJson: fieldsToJson({
      temperature: 21.42,
      humidity: 48.1,
      pressure: 1013.25,
      illuminance: 450,
      carbon_dioxide: 612,
      distance: 184,
      voltage: 3.29,
    }),
  });
  if (record.length !== RECORD_BYTES) throw new Error(`the record has ${record.length} bytes`);
  return record;
}
