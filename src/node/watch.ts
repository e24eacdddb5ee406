import type { Clock } from "../device/clock.ts";
import type { Log } from "../log.ts";
import type { Outbox } from "../outbox/outbox.ts";
import type { Recorder } from "../record/recorder.ts";

/** How often what nobody announces is looked at, milliseconds. */
const LOOK_EVERY_MS = 1_000;

/** A wall clock that slews is not worth an event; one that steps by more is, milliseconds. */
const STEP_MS = 2_000;

/**
 * Records what the outbox had to give up (`event/dropped`), when its disk begins and ceases to fail (`event/alarm`), and
 * when the system clock is set or stepped (`event/clock`).
 */
export async function watchLossesAndClock(
  outbox: Outbox,
  recorder: Recorder,
  clock: Clock,
  log: Log,
  signal: AbortSignal,
  lookEveryMs = LOOK_EVERY_MS,
): Promise<void> {
  const offsetMs = () => clock.wallMs() - clock.monotonicMs();
  let lastOffsetMs = offsetMs();
  let synced = clock.synced();
  let alarmed = false;
  let tailFault: string | undefined;
  while (!signal.aborted) {
    recordDrops(outbox, recorder, log);
    alarmed = recordAlarm(outbox, recorder, log, alarmed);
    tailFault = noteTail(outbox, log, tailFault);
    const stepMs = Math.round(offsetMs() - lastOffsetMs);
    if (clock.synced() !== synced || Math.abs(stepMs) >= STEP_MS) {
      synced = clock.synced();
      recorder.record("event/clock", { synced, step_ms: stepMs });
      log.info("the system clock was set", { synced, stepMs });
    }
    lastOffsetMs = offsetMs();
    await clock.sleep(lookEveryMs, signal);
  }
}

/** Says that records wear the flash although a tail is configured, or no longer do. Returns why they do. */
function noteTail(outbox: Outbox, log: Log, before: string | undefined): string | undefined {
  const { tailFault } = outbox.status();
  if (tailFault !== undefined && before === undefined)
    log.warn("buffer.tail is not used: every record goes to disk at once", { error: tailFault });
  if (tailFault === undefined && before !== undefined) log.info("buffer.tail is used again");
  return tailFault;
}

/** Says that the outbox's disk fails, or no longer does, where that has changed. Returns whether it fails. */
function recordAlarm(outbox: Outbox, recorder: Recorder, log: Log, alarmed: boolean): boolean {
  const { fault } = outbox.status();
  const active = fault !== undefined;
  if (active === alarmed) return alarmed;
  if (active) log.error("the disk under the outbox fails: records may be in memory only", { error: fault });
  else log.info("the outbox is on disk again");
  recorder.record("event/alarm", { alarm: "outbox", active, ...(active && { error: fault }) });
  return active;
}

/** Loss may be forced, never silent. */
export function recordDrops(outbox: Outbox, recorder: Recorder, log: Log): void {
  for (const { fromSeq, toSeq, count, reason, again } of outbox.takeDrops()) {
    if (!again) log.warn("records were lost", { fromSeq, toSeq, count, reason });
    recorder.record("event/dropped", { from_seq: fromSeq, to_seq: toSeq, count, reason });
  }
}
